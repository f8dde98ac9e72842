"""The page of a fleet: from a real volume with what nodes left on it, opened and clicked in a browser."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from browser import Browser, Visit, check_page
from fleets import finding, machine, outcome
from harness import Shell
from packages import travelling

from envkit.layout.node_records import write_node_record
from envkit.layout.validations import write_validation
from envkit.layout.volume import Volume
from envkit.models.manifest import PastValidation, ValidationRecord
from envkit.pages.charts import bars

HOSTILE = "<img src=x onerror=alert(1)>"


H100 = machine("NVIDIA H100", "9.0", "570.86.10")
A100 = machine(f"NVIDIA A100 {HOSTILE}", "8.0", "570.86.10")


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A volume with two environments, one of them validated by eight nodes of two kinds."""
    made = Shell.below(tmp_path_factory.mktemp("report"))
    made.publish(travelling())
    made.create("tool", name="train", args=("--no-validate",))
    made.create("tool", name="new", args=("--no-validate",))
    volume, generation = Volume(made.volume), made.prefix("train").name
    records = [outcome(generation, f"h{number}", H100, 6e14) for number in range(4)]
    records += [outcome(generation, "slow", H100, 4e14), outcome(generation, HOSTILE, A100, 3e14)]
    records += [outcome(generation, "liar", H100, 6e14, "fail"), outcome(generation, "gone", H100, 0, "none")]
    for record in records:
        assert write_node_record(volume, record)
    past = tuple(PastValidation(verdict="pass", created=f"2026-11-{day:02}T10:00:00+00:00") for day in range(19, 9, -1))
    write_validation(
        volume,
        ValidationRecord(
            verdict="pass",
            created="2026-11-20T10:00:00+00:00",
            generation=generation,
            fingerprint="9.0",
            host=H100,
            history=past,
        ),
    )
    return made


def test_what_others_wrote_on_the_volume_breaks_nothing(shell: Shell, tmp_path: Path) -> None:
    """Members of a shared volume may write what they like."""
    folder = Volume(shell.volume).validations / shell.prefix("new").name / "nodes"
    good = outcome(shell.prefix("new").name, "odd", H100, 1e14).to_json()
    odd: dict[str, Any] = {
        "gpus": {**good, "host": {**H100, "gpus": 5}},
        "driver": {**good, "host": {**H100, "driver_version": ["x"]}},
        "finding": {**good, "findings": [{"check": 3}, {"status": "fail"}]},
        "status": {**good, "findings": [finding("worse", "x")]},
        "figures": {**good, "findings": [finding("pass", "x", figures={"a_per_s": float("nan"), "b_per_s": 1e999})]},
        "long": {**good, "findings": [finding("fail", "x" * 100_000)]},
        "time": {**good, "created": "tomorrow\u202e"},
    }
    folder.mkdir(parents=True, exist_ok=True)
    try:
        for name, document in odd.items():
            (folder / f"n-{name}.json").write_text(json.dumps({**document, "node": name}))
        (folder / "n-none.json").write_text("{")
        page = tmp_path / "page.html"
        shell.ok("fleet", "report", "-o", str(page))
        assert page.stat().st_size < 100_000
        assert "nan" not in page.read_text().lower().replace("finance", "")
        shell.ok("fleet", "report", "--json")
    finally:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def texts(items: Iterable[dict[str, Any]], *members: str) -> set[tuple[object, ...]]:
    return {tuple(item[member] for member in members) for item in items}


def test_the_report_says_what_works_where(shell: Shell) -> None:
    found = shell.ok("fleet", "report", "--json").json
    assert [kind["nodes"] for kind in found["kinds"]] == [["h0", "h1", "h2", "h3", "liar", "slow"], [HOSTILE]]
    train = next(each for each in found["environments"] if each["name"] == "train")
    first, second = train["standings"]
    assert (first["verdict"], first["failed"], len(first["past"])) == ("fail", ["liar"], 11)
    assert (second["verdict"], second["failed"]) == ("pass", [])
    assert texts(found["tasks"], "node", "status", "code") == {
        ("liar", "fail", None),
        ("gone", "fail", None),
        ("slow", "warn", "node-slow"),
        (None, "warn", "never-proven"),
    }
    assert [(figure["name"], figure["usual"], len(figure["points"])) for figure in found["figures"]] == [
        ("matmul_flop_per_s", 6e14, 6),
        ("matmul_flop_per_s", 3e14, 1),
    ]


def test_the_page_is_clicked(shell: Shell, browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "fleet.html"
    (tmp_path / "pool.jsonl").write_text(json.dumps({"name": "v1", "facts": machine("Tesla V100", "7.0", "535.1")}))
    done = shell.ok("fleet", "report", "-o", str(page), "--hosts", str(tmp_path / "pool.jsonl"))
    assert "2 environments on 3 kinds of machines, 2 failures" in done.out
    check_page(browser, page)

    def use(visit: Visit) -> list[object]:
        rows = visit.page.locator("#tasks tbody tr:visible")
        seen: list[object] = [rows.count()]
        failures = visit.page.get_by_role("button", name="Failures only")
        failures.click()
        seen += [rows.count(), failures.get_attribute("aria-pressed")]
        failures.press("Enter")
        visit.page.get_by_label("Filter").first.fill("SLOW train")
        seen += [rows.count(), visit.page.locator("output").first.text_content()]
        details = visit.page.locator("details")
        visit.page.locator("summary").click()
        seen += [details.get_attribute("open"), visit.page.locator("svg.strip rect").count()]
        return [*seen, visit.page.get_by_text("Tesla V100").count() > 0, visit.errors]

    assert browser.visit(page, use) == [4, 2, "true", 1, "1 of 4", None, 12, True, []]


@pytest.mark.full
def test_an_empty_volume_has_a_page(browser: Browser, tmp_path: Path) -> None:
    shell = Shell.below(tmp_path)
    shell.publish(travelling())
    shell.create("tool")
    shell.ok("remove", "demo")
    shell.ok("fleet", "report", "-o", str(tmp_path / "empty.html"))
    check_page(browser, tmp_path / "empty.html")
    refused = shell.run("fleet", "report", "-o", str(tmp_path / "no" / "page.html"), "--json")
    assert refused.code == 0  # nothing is written
    assert shell.run("fleet", "report", "-o", str(tmp_path / "no" / "page.html")).code == 2


def test_bars_begin_at_zero() -> None:
    drawn = bars([("a", 4.0), ("b", 2.0)], 3.0)
    assert ([bar.width for bar in drawn.bars], drawn.mark) == ([1.0, 0.5], 0.75)
    assert bars([("a", 0.0)], 0.0).bars[0].width == 0.0

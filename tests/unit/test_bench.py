"""The bench: what is measured, how growth is judged, and what is written of it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from xml.etree import ElementTree

import benchmark
import pytest
from benching import plot, readme, report
from benching.curves import CURVES, Curve
from benching.growth import exponent, is_flat, last_exponent
from benching.indexes import index_records, write_flat_index
from benching.measure import Case, Effort, RunFailedError, Sample, Series, Step, run_once, take_turns
from benching.peers import ENVKIT, MICROMAMBA, PYTHON, Peers, find_peers
from benching.results import CurveResult, Results, RowResult, describe_machine
from benching.rows import ROWS, Goal, Row


def step(code: str, *, codes: tuple[int, ...] = (0,)) -> Step:
    return Step([sys.executable, "-c", code], dict(os.environ), codes)


def series(tool: str, *walls: float, error: str | None = None) -> Series:
    return Series(tool, [Sample(wall, wall / 2, 30_000_000) for wall in walls], error=error)


def row(*goals: Goal, over: str | None = None, per: int = 1) -> Row:
    return Row("work", "some `work`", lambda _: [], goals, over=over, per=per)


def results(rows: list[RowResult], curves: list[CurveResult]) -> Results:
    versions = {ENVKIT: "1.0", MICROMAMBA: "2.8.1"}
    machine = dict.fromkeys(("date", "processor", "cores", "system", "file_system", "load", "python"), "x & <y>")
    return Results(Peers(versions, versions, {"conda": "get it"}), machine, rows, curves)


def curve(*costs: float, sizes: tuple[int, ...] = (1, 20, 200), flat: bool = False) -> CurveResult:
    shape = Curve("grows", "`list`", "environments", sizes, lambda *_: [], flat=flat)
    return CurveResult(shape, {n: {ENVKIT: series(ENVKIT, 2 * cost)} for n, cost in zip(sizes, costs, strict=True)})


def test_processor_time_memory_and_copies() -> None:
    busy = (
        "import time\nend = time.process_time() + 0.2\nwhile time.process_time() < end: pass\nb = bytearray(50_000_000)"
    )
    one, _ = run_once(Case("t", [step(busy)]))
    assert 0.2 <= one.cpu_s < 1.0
    assert one.wall_s >= 0.2
    assert 50_000_000 < one.peak_bytes < 90_000_000
    least, _ = run_once(Case("t", [step("pass")]))
    assert least.peak_bytes < 20_000_000, "the process that measures is in the figure"
    three, said = run_once(Case("t", [step("import sys; sys.stderr.write('{copy};')")], copies=3))
    assert sorted(said.split(";")) == ["", "0", "1", "2"]
    assert three.cpu_s > 1.5 * least.cpu_s


def test_the_time_of_steps_is_summed_and_of_children_counted() -> None:
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'sum(range(10**7))'])"
    alone, _ = run_once(Case("t", [step("sum(range(10**7))")]))
    within, _ = run_once(Case("t", [step(child), step(child)]))
    assert within.cpu_s > 1.3 * alone.cpu_s


def test_what_fails_is_left_out_and_named() -> None:
    told: list[str] = []
    cases = [Case("good", [step("pass")]), Case("bad", [step("import sys; sys.exit('no such thing')")])]
    good, bad = take_turns(cases, Effort(rounds=2, least=2, count_modules=False), told.append)
    assert len(good.samples) == 2
    assert not bad.samples
    assert bad.error is not None
    assert "no such thing" in bad.error
    assert len(told) == 1
    run_once(Case("t", [step("raise SystemExit(3)", codes=(3,))]))
    with pytest.raises(RunFailedError, match="ended with -9"):
        run_once(Case("t", [step("import os; os.kill(os.getpid(), 9)")]))


def test_each_run_is_prepared_and_modules_are_counted() -> None:
    prepared: list[int] = []
    cases = [Case("t", [step("import json")], before=lambda: prepared.append(1)), Case("u", [step("pass")])]
    more, fewer = take_turns(cases, Effort(rounds=3, least=3), lambda _: None)
    assert len(prepared) == 1 + 3 + 1  # to warm up, to measure, to count modules
    assert more.modules is not None
    assert fewer.modules is not None
    assert more.modules > fewer.modules


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 2.0])
def test_exponents(power: float) -> None:
    sizes = [10, 100, 1000]
    costs = [3 * size**power for size in sizes]
    assert exponent(sizes, costs) == pytest.approx(power, abs=1e-9)
    assert last_exponent(sizes, [1, *costs[1:]]) == pytest.approx(power, abs=1e-9)


def test_growth_that_is_a_fault() -> None:
    assert curve(0.3, 0.4, 0.9).fault() is None
    assert "to the power of 1.3" in str(curve(0.01, 0.1, 2.0).fault())
    assert curve(0.20, 0.21, 0.22, flat=True).fault() is None
    assert "0.200 s to 0.400 s" in str(curve(0.20, 0.21, 0.40, flat=True).fault())
    assert is_flat([0.001, 0.009])
    unfinished = curve(0.1, 0.2, 9.0)
    del unfinished.points[200][ENVKIT].samples[:]
    assert unfinished.fault() is None
    assert unfinished.tools == []


def test_values_of_a_row() -> None:
    found = {
        ENVKIT: series(ENVKIT, 5.0, 1.0, 2.0),
        MICROMAMBA: series(MICROMAMBA, 4.0),
        PYTHON: series(PYTHON, 0.5),
    }
    goals = (Goal(ratio=0.6), Goal(seconds=1.0), Goal(megabytes=40), Goal(ratio=1.0, against="conda"))
    plain = RowResult(row(*goals), found)
    assert plain.wall_s(ENVKIT) == 2.0
    assert [plain.value(goal) for goal in goals] == [0.5, 2.0, 30.0, None]
    assert RowResult(row(over=PYTHON), found).wall_s(ENVKIT) == 1.5
    assert RowResult(row(over=PYTHON), found).wall_s(MICROMAMBA) == 4.0
    assert RowResult(row(per=10), found).wall_s(ENVKIT) == 0.2
    line = report.speed_table(results([plain], []), goals=True).splitlines()[-1]
    assert "| 2.00 s, 30 MB" in line
    assert "0.50x" in line
    assert "0.6x micromamba: reached; 1.00 s: **missed** (2.00 s); 40 MB: reached; 1.0x conda: not measured" in line


def test_what_is_written_is_well_formed(tmp_path: Path) -> None:
    found = {ENVKIT: series(ENVKIT, 0.004), MICROMAMBA: series(MICROMAMBA, error="x")}
    failed = RowResult(row(), {ENVKIT: series(ENVKIT, error="broke <&>")})
    skipped = RowResult(row(), skipped="no channels")
    all_of_it = results([RowResult(row(), found), failed, skipped], [curve(0.1, 0.2, 0.3)])
    for drawn in (plot.bars(all_of_it), plot.curves(all_of_it)):
        root = ElementTree.fromstring(drawn)  # noqa: S314 - our own
        assert root.tag.endswith("svg")
        assert "prefers-color-scheme:dark" in drawn
    assert all_of_it.faults() == ["work: broke <&>"]
    assert list(report.notes(all_of_it)) == ["not measured: work: no channels", "not here: conda (get it)"]
    all_of_it.write_json(tmp_path / "f.json")
    document = json.loads((tmp_path / "f.json").read_text())
    assert document["rows"][0]["series"][ENVKIT]["samples"][0]["wall_s"] == 0.004
    assert document["curves"][0]["exponents"][ENVKIT] == pytest.approx(0.176, abs=0.001)
    assert "failed" in report.detail_table(all_of_it)
    assert "0.18" in report.growth_table(all_of_it)
    assert describe_machine(tmp_path).keys() == all_of_it.machine.keys()


def test_the_readme_has_a_place_for_the_figures() -> None:
    text = (Path(benchmark.__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    once = readme.put_between(text, "one\n")
    twice = readme.put_between(once, "two")
    assert "\n\ntwo\n\n" in twice
    assert len(twice) == len(once)
    with pytest.raises(ValueError, match="needs one line"):
        readme.put_between(text.replace("end of figures", ""), "one")
    with pytest.raises(ValueError, match="needs one line"):
        readme.put_between(text + text, "one")


def test_generated_indexes_are_the_same_each_time(tmp_path: Path) -> None:
    records = list(index_records(1000))
    assert records == list(index_records(1000))
    parsed = json.loads("{" + ",".join(records) + "}")
    assert len(parsed) == 1000
    assert sum(record["name"] == "pytorch" for record in parsed.values()) == 250
    write_flat_index(tmp_path, 100)
    assert (tmp_path / "linux-64" / "repodata.json.zst").stat().st_size > 5000
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["repodata.json.zst"] * 2


def test_peers_are_found_where_variables_name_them(tmp_path: Path) -> None:
    program = tmp_path / "mm"
    program.write_text("#!/bin/sh\necho 2.8.1\n")
    with pytest.raises(FileNotFoundError, match="ENVKIT_BENCH_MICROMAMBA"):
        find_peers({"ENVKIT_BENCH_MICROMAMBA": str(program), "PATH": ""})
    program.chmod(0o755)
    peers = find_peers({"ENVKIT_BENCH_MICROMAMBA": str(program), "PATH": ""})
    assert peers.programs[MICROMAMBA] == str(program)
    assert peers.versions[MICROMAMBA] == "2.8.1"
    assert "ENVKIT_BENCH_CONDA" in peers.missing["conda"]
    assert MICROMAMBA not in peers.without({MICROMAMBA})


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--rows", "nothing"], "no row begins with nothing"),
        (["--write", "--rows", "find"], "leave --rows"),
        (["--growth", "--no-growth"], "leave nothing"),
        (["--quick", "--rows", "far"], "no row begins with far"),
        (["--row", "find"], "unrecognized"),
        (["--without", "mamba"], "no peer is called mamba"),
    ],
)
def test_wrong_words_are_refused(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        benchmark.main(words)
    assert said in capsys.readouterr().err


def test_names_are_listed_and_no_two_alike(capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmark.main(["--list"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert len(set(names)) == len(names) == len(ROWS) + len(CURVES)

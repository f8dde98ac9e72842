"""Text of channels, packages, files and other programs reaches no terminal, page or log as more than text."""

from __future__ import annotations

import json
import re
import venv
from pathlib import Path

import pytest
from channels import Package, archive, write_index
from harness import Outcome, Shell

from envkit.cli import output
from envkit.printable import escape_json, printable

HOSTILE = "\x1b]0;owned\x07\x9b31m\u202e\u2066[/red][link=x]{0} :bug:\r\nfake line \x85fake"
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def check(*texts: str) -> None:
    for text in texts:
        assert not CONTROL.search(text), ascii(text)
        assert not any(line.lstrip().startswith("fake") for line in text.splitlines()), text


def harmless(outcome: Outcome, codes: tuple[int, ...] = (0,), *, shown: bool = True) -> None:
    assert outcome.code in codes, f"{outcome.code}: {outcome.out}\n{outcome.err}"
    check(outcome.out, outcome.err)
    if shown:
        assert "owned" in outcome.out + outcome.err


def test_a_line_stays_a_line() -> None:
    assert printable("plain") == "plain"
    assert printable("a\n b\r\nc\td") == "a b c\td"
    assert printable("\x1b[31m\u202e\x9b") == "\ufffd[31m\ufffd\ufffd"
    assert json.loads(escape_json(json.dumps([HOSTILE], ensure_ascii=False))) == [HOSTILE]
    check(printable(HOSTILE), escape_json(json.dumps([HOSTILE], ensure_ascii=False)))


def test_markup_is_made_by_mark_only() -> None:
    """Markup in a string that others fill is shown as it is: `mark` takes the values apart from the template."""
    style = re.compile(r"""\bf["'].*\[/?(bold|dim|italic|red|green|yellow|cyan|\{)""")
    files = (Path(output.__file__).parent).glob("*.py")
    assert [f"{p.name}: {line}" for p in files for line in p.read_text().splitlines() if style.search(line)] == []


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell.below(tmp_path)


def test_records_of_an_index(shell: Shell) -> None:
    fields = {"license": HOSTILE, "subdir": "linux-64\nfake line"}
    _, record = archive(Package("pytorch", "2.5.1", "cpu_0", record={**fields, "build": f"cpu{HOSTILE}_0"}))
    write_index(shell.channel, {"linux-64": {"pytorch-2.5.1-cpu_0.conda": record}, "noarch": {}})
    only = ("-c", str(shell.channel), "--override-channels", "--no-gpu")
    for args in (("find", "pytorch", *only, "--why"), ("create", "pytorch", "--cuda", "none", *only)):
        outcome = shell.run(*args)
        assert outcome.code != 70, outcome.err
        check(outcome.out, outcome.err)
        plain = shell.run(*args, "--json")
        check(plain.out)


def test_what_a_virtual_environment_says(shell: Shell, tmp_path: Path) -> None:
    home = tmp_path / "venv"
    venv.create(home, symlinks=True)
    [site] = home.glob("lib/python3*/site-packages")
    (site / "numpy").mkdir()
    (site / "numpy" / "__init__.py").write_text(f"raise ImportError({HOSTILE!r})\n")
    info = site / "x-1.0.dist-info"
    info.mkdir()
    (info / "INSTALLER").write_text(f"pip {HOSTILE}")
    (info / "METADATA").write_text("Name: x\n")
    (info / "RECORD").write_text('"owned\x1b[31m",sha256=,3\n')
    page = tmp_path / "page.html"
    harmless(shell.run("validate", str(home), "--html", str(page)), (3,))
    check(page.read_text())
    assert "owned" in page.read_text()
    check(shell.run("validate", str(home), "--json").out)
    harmless(shell.run("doctor", str(home)), (0, 6))


def test_what_a_volume_says(shell: Shell) -> None:
    shell.publish(Package("app", files={"share/a": b"a"}))
    shell.create("app")
    prefix = shell.prefix()
    path = prefix / ".envkit.json"
    manifest = json.loads(path.read_bytes())
    manifest["channels"] = [f"https://channel.test/{HOSTILE}"]
    manifest["verb"] = manifest["created"] = manifest["skipped_link_scripts"] = HOSTILE
    manifest["skipped_link_scripts"] = [HOSTILE]
    manifest["choice"] = {"fn": HOSTILE, "tier": HOSTILE, "reasons": [{"text": HOSTILE}]}
    manifest["request"]["specs"] = [f"app {HOSTILE}"]
    manifest["packages"][0]["version"] = HOSTILE
    path.write_text(json.dumps(manifest))
    meta = next((prefix / "conda-meta").glob("app*.json"))
    record = json.loads(meta.read_bytes())
    record["paths_data"]["paths"][0]["_path"] = f"share/{HOSTILE}"
    meta.unlink()
    meta.write_text(json.dumps({**record, "version": HOSTILE}))
    for args, codes in ((("show", "demo"), (0,)), (("history", "demo"), (0,)), (("doctor", "demo"), (6,))):
        harmless(shell.run(*args), codes)
        check(shell.run(*args, "--json").out)
    for words in ("list", "diff demo demo", "export demo", "export demo --explicit", "clean"):
        outcome = shell.run(*words.split())
        assert outcome.code != 70, outcome.err
        check(outcome.out, outcome.err)


def test_a_path_with_markup_is_shown_as_it_is(shell: Shell, tmp_path: Path) -> None:
    odd = tmp_path / "a[bold]b[/red] {0}"
    odd.mkdir(parents=True)
    for args in (("doctor",), ("list",), ("volume",)):
        outcome = shell.run(*args, "--persist", str(odd))
        assert outcome.code != 70, outcome.err
        assert "a[bold]b[/red] {0}" in (outcome.out + outcome.err).replace("\n", ""), (args, outcome)

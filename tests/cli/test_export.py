"""export: an environment made by any tool, in each format, read back to the same packages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from channels import Package
from harness import Envkit, Shell

from envkit.api.sources import read_source
from envkit.models.inputs import LockFile, Recipe

LIB = Package("lib", "1.0", files={"lib/lib.txt": b"lib"})
APP = Package("app", "1.0", depends=["lib"], files={"lib/app.txt": b"app"})
FORMATS = ("explicit", "pixi", "conda-lock")


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    made = Shell.below(tmp_path)
    made.publish(LIB, APP)
    made.create("app", "lib=1", args=("--cuda", "none"))
    return made


def urls(path: Path) -> set[tuple[str, str | None]]:
    found = read_source(path)
    assert isinstance(found, LockFile)
    return {(record.url, record.sha256) for record in found.parts[0].records}


@pytest.mark.parametrize("kind", FORMATS)
def test_each_format_lists_the_same_packages(shell: Shell, tmp_path: Path, kind: str) -> None:
    file = tmp_path / "file"
    file.write_text(shell.ok("export", "demo", "--format", kind).out)
    records = [json.loads(path.read_text()) for path in (shell.prefix() / "conda-meta").glob("*.json")]
    assert urls(file) == {(record["url"], record["sha256"]) for record in records}
    shell.ok("create", "-n", "copy", "-f", str(file))
    assert (shell.prefix("copy") / "lib" / "app.txt").read_bytes() == b"app"


def test_the_request_survives(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text(shell.ok("export", "demo").out)
    recipe = read_source(file)
    assert isinstance(recipe, Recipe)
    assert recipe.dependencies == ("app", "lib=1")
    assert recipe.flags == {"cuda": "none"}
    shell.ok("create", "-n", "copy", "-f", str(file))
    shown = [shell.ok("show", name, "--json").json["request"] for name in ("demo", "copy")]
    assert shown[0]["cuda"] == shown[1]["cuda"] == "none"
    shell.ok("create", "-n", "other", "-f", str(file), "--cuda", "auto")  # the command line wins
    assert shell.ok("show", "other", "--json").json["request"]["cuda"] == "auto"


def foreign(shell: Shell, tmp_path: Path) -> Path:
    """A prefix as conda leaves it: records, and a distribution of pip."""
    prefix = tmp_path / "foreign"
    (prefix / "conda-meta").mkdir(parents=True)
    for path in (shell.prefix() / "conda-meta").glob("*.json"):
        raw = json.loads(path.read_text())
        raw["url"] = raw["url"].replace("file://", "https://user:secretpw@host.invalid/t/secrettok")
        raw["requested_spec"] = "app >=1" if raw["name"] == "app" else "None"
        raw.pop("requested_specs", None)
        (prefix / "conda-meta" / path.name).write_text(json.dumps(raw))
    info = prefix / "lib" / "python3.12" / "site-packages" / "some_thing-2.0.dist-info"
    info.mkdir(parents=True)
    return prefix


def test_prefixes_of_other_tools(shell: Shell, tmp_path: Path) -> None:
    prefix = foreign(shell, tmp_path)
    file = tmp_path / "file"
    for kind in (*FORMATS, "environment", "requirements"):
        done = shell.ok("export", str(prefix), "--format", kind)
        assert "secret" not in done.out + done.err
        file.write_text(done.out)
        if kind in FORMATS:
            assert len(urls(file)) == 2
            assert "1 distributions that pip installed are not in the file" in done.err
    assert "some-thing==2.0" in file.read_text()
    file.write_text(shell.ok("export", str(prefix)).out)
    recipe = read_source(file)
    assert isinstance(recipe, Recipe)
    assert recipe.dependencies == ("app >=1",)
    assert recipe.pip.lines == ("some-thing==2.0",)
    pinned = shell.ok("export", str(prefix), "--pins", "--json").json
    assert pinned["dependencies"][:2] == ["app=1.0=0", "lib=1.0=0"]


def test_wrong_words(envkit: Envkit, shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "empty" / "conda-meta").mkdir(parents=True)
    for words, code in (
        (("demo", "--format", "nonsense"), 2),
        (("demo", "--format", "pixi", "--pins"), 2),
        (("demo", "--explicit", "--format", "pixi"), 2),
        (("none",), 1),
        ((str(tmp_path / "empty"),), 1),
    ):
        assert envkit("export", *words, "--persist", shell.volume).code == code, words
    bad = foreign(shell, tmp_path)
    (bad / "conda-meta" / "x.json").write_text("[" * 100_000)
    assert envkit("export", str(bad)).code == 6

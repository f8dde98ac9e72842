"""What a person is told of long work."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from envkit.cli.progress import make_reporter
from envkit.layout.damage import find_wrong
from envkit.models import progress
from envkit.models.installed import InstalledPackage
from envkit.models.progress import Reporter, working


@pytest.mark.parametrize("style", ["lines", "bars"])
@pytest.mark.parametrize(("long_s", "told"), [(-1.0, ["  read  a.tar (", " check  train ("]), (60.0, [])])
def test_long_work_leaves_a_line_with_its_time(
    style: str, long_s: float, told: Sequence[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_LONG_S", long_s)
    reporter = make_reporter(style)
    with working(reporter, "check", "train"), working(reporter, "read", "a.tar", total=3, unit="B"):
        reporter.advance("read", 3)
    said = capsys.readouterr()
    assert said.out == ""
    lines = [line for line in said.err.splitlines() if line.strip().endswith(" s)")]
    assert len(lines) == len(told)
    assert all(words in line for words, line in zip(told, lines, strict=True))


def test_work_that_fails_leaves_its_error_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_LONG_S", -1.0)

    def fail(reporter: Reporter) -> None:
        with working(reporter, "export", "a.ipynb as pdf"):
            raise FileExistsError

    with pytest.raises(FileExistsError):
        fail(make_reporter("lines"))
    assert capsys.readouterr().err == ""


def test_the_bytes_of_each_hashed_file_are_told(tmp_path: Path) -> None:
    (tmp_path / "right").write_bytes(b"right")
    (tmp_path / "changed").write_bytes(b"c" * 7)
    package = InstalledPackage(
        name="a",
        version="1",
        build="0",
        depends=(),
        archive_bytes=None,
        paths=(("right", 5, False), ("changed", 7, False)),
        hashes={"right": hashlib.sha256(b"right").hexdigest(), "changed": "0" * 64},
    )
    told: list[int] = []
    wrong = find_wrong(tmp_path, [package], full=True, hashed=told.append)
    assert told == [5, 7]
    assert [item.path for item in wrong] == ["changed"]

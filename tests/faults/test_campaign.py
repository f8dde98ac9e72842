"""Kills at random over all verbs, and errors of every kind of call at every phase: nothing is lost."""

from __future__ import annotations

import errno
import json
import struct
import sys
from pathlib import Path

import pytest
from bench import Bench, app, runs, spread
from harness import kept_variables, run_program

HERE = Path(__file__).parent
CALLS = {
    "link": errno.EIO,
    "rename": errno.EIO,
    "fsync": errno.EIO,
    "syncfs": errno.ENOSPC,
    "flock": errno.ENOLCK,
    "write": errno.EDQUOT,
    "create": errno.EROFS,
    "mkdir": errno.ENOSPC,
}


def kill(folder: Path, kills: int) -> str:
    words: list[str | Path] = [
        sys.executable,
        HERE / "campaign.py",
        folder,
        "--kills",
        str(kills),
        "--seed",
        str(kills),
    ]
    done = run_program(words, env={**kept_variables(), "HOME": str(folder)}, timeout_s=7000)
    assert done.code == 0, done.out + done.err
    assert json.loads(done.out)["hit while it ran"] >= kills
    return done.out


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds processes in /proc")
@pytest.mark.full
def test_five_kills(tmp_path: Path) -> None:
    kill(tmp_path / "campaign", 5)


@pytest.mark.full
@pytest.mark.timeout(7200)
def test_three_hundred_kills(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = kill(tmp_path / "campaign", 300)
    with capsys.disabled():
        sys.stdout.write(f"\n{figures}")


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("call", CALLS)
def test_twenty_errors(bench: Bench, call: str) -> None:
    shell = bench.shell
    shell.publish(app(1))
    shell.ok("create", "app", "-n", "demo", "-c", bench.url, "--override-channels")
    shell.publish(app(1), app(2))
    refuse(bench, call, 20)


@pytest.mark.parametrize("call", CALLS)
def test_an_error_at_the_first_and_the_last_of_them(bench: Bench, call: str) -> None:
    shell = bench.shell
    shell.publish(app(1))
    shell.ok("create", "app", "-n", "demo", "-c", bench.url, "--override-channels")
    shell.publish(app(1), app(2))
    refuse(bench, call, 2)


def refuse(bench: Bench, call: str, points: int) -> None:
    """Let one call of an upgrade fail, at points spread over it: the old state with exit 7, or the new one with 0."""
    shell = bench.shell
    upgrade = ("upgrade", "-n", "demo")
    assert bench.failing(*upgrade, call=call, number=CALLS[call], nth=1 << 40).code == 0
    total = struct.unpack("QQQ", (bench.folder / "counter").read_bytes())[2]
    assert total > 0
    for nth in spread(total, points):
        shell.ok("rollback", "demo", "1")
        shell.ok("clean", "--keep", "0", "--older-than", "0")
        done = bench.failing(*upgrade, call=call, number=CALLS[call], nth=nth)
        assert done.code in {0, 7}, (nth, total, done.err)
        assert "Traceback" not in done.err, (nth, total, done.err)
        assert runs(shell) == ("app 1" if done.code else "app 2"), (nth, total, done.err)
    shell.ok(*upgrade)
    assert runs(shell) == "app 2"
    assert shell.ok("doctor", "--full", "--json").json["healthy"]

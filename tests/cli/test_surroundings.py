"""Odd surroundings: closed streams, readers that go, directories that are gone, limits of the shell."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from channels import Package
from harness import ENVKIT, Shell

ENV = " ".join(ENVKIT)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    shell = Shell.below(tmp_path)
    shell.publish(Package("app", files={"bin/app": b"#!/bin/sh\necho hello\n", "share/big": b"x" * 4_000_000}))
    return shell


def bash(shell: Shell, code: str, *, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    text = code.replace("envkit", ENV)
    return subprocess.run(
        ["bash", "-c", text], env=shell.env(), cwd=cwd, capture_output=True, text=True, timeout=120, check=False
    )


def quiet(done: subprocess.CompletedProcess[str], code: int = 0) -> None:
    assert "Traceback" not in done.stderr, done.stderr
    assert "Exception" not in done.stderr, done.stderr
    assert done.returncode == code, done.stderr


@pytest.mark.parametrize("streams", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", "<&-"])
@pytest.mark.parametrize("command", ["recipes", "recipes --json", "--version", "--help", "volume", "help json"])
def test_closed_streams_change_nothing(shell: Shell, command: str, streams: str) -> None:
    done = bash(shell, f"envkit {command} {streams}")
    quiet(done)
    assert done.stderr == ""


def test_what_is_opened_takes_no_number_of_a_closed_stream(shell: Shell) -> None:
    shell.create("app")
    done = bash(shell, "envkit run demo -- sh -c 'echo lost; echo seen >&2' >&-")
    assert "seen" in done.stderr
    assert all(path.stat().st_size == 0 for path in (shell.volume / ".envkit" / "leases").iterdir())
    quiet(bash(shell, f"envkit create app -n other -c {shell.channel} --override-channels >&- 2>&-"))
    assert json.loads(shell.ok("show", "other", "--json").out)


@pytest.mark.parametrize("command", ["recipes", "recipes --json", "help json", "create --help", "volume", "--version"])
def test_a_reader_that_goes_is_no_error(shell: Shell, command: str) -> None:
    for reader in ("head -1", "true"):
        done = bash(shell, f"set -o pipefail; envkit {command} | {reader}")
        quiet(done)
        assert done.stderr == ""


def test_a_reader_that_goes_takes_neither_the_work_nor_the_exit_code_along(shell: Shell) -> None:
    create = f"envkit create app -c {shell.channel} --override-channels -n"
    quiet(bash(shell, f"set -o pipefail; {create} one 2>&1 | true"))
    shell.ok("show", "one")
    (shell.prefix("one") / "share" / "big").unlink()
    quiet(bash(shell, "set -o pipefail; envkit doctor one | true"), 6)


def test_output_that_cannot_be_written_is_said(shell: Shell) -> None:
    for command in ("recipes", "recipes --json", "help json"):
        done = bash(shell, f"envkit {command} > /dev/full")
        quiet(done, 7)
        assert "the output cannot be written: No space left on device" in done.stderr


def test_a_directory_that_is_gone(shell: Shell, tmp_path: Path) -> None:
    shell.create("app")
    gone = tmp_path / "gone"
    for command, code in (
        ("list", 0),
        ("show demo", 0),
        ("run demo -- app", 0),
        ("validate demo", 0),
        (f"create app -n abs -c {shell.channel} --override-channels", 2),  # the engine asks for it
        ("create app -n rel -c ./channel --override-channels", 2),
        ("validate ./x", 2),
        ("list --persist v", 2),
        ("create -f environment.yml", 2),
    ):
        gone.mkdir()
        done = bash(shell, f"cd {gone} && rmdir {gone} && envkit {command}")
        quiet(done, code)
        assert code == 0 or "current directory does not exist" in done.stderr or "environment.yml" in done.stderr


def test_a_limit_on_the_size_of_files(shell: Shell) -> None:
    done = bash(shell, f"ulimit -f 2000; envkit create app -c {shell.channel} --override-channels -n demo")
    quiet(done, 7)
    assert "ulimit -f" in done.stderr
    assert shell.run("show", "demo").code == 1
    shell.create("app")


@pytest.mark.parametrize("megabytes", [60, 100, 150, 200, 300, 400, 600, 1000])
def test_a_limit_on_memory(shell: Shell, megabytes: int) -> None:
    done = bash(
        shell, f"ulimit -v {megabytes * 1024}; envkit create app -c {shell.channel} --override-channels -n demo"
    )
    assert "this is a bug" not in done.stderr, done.stderr
    assert done.returncode in {0, 4}, done.stderr
    shell.create("app", name="later")


def test_validate_of_a_volume_that_moved_says_what_run_says(shell: Shell, tmp_path: Path) -> None:
    shell.create("app")
    moved = shell.volume.rename(tmp_path / "moved")
    outcomes = [
        shell.run(*words, CONDA_ENVS_PATH=str(moved)) for words in (("run", "demo", "--", "app"), ("validate", "demo"))
    ]
    assert [outcome.code for outcome in outcomes] == [7, 7]
    assert all("envkit doctor --fix" in outcome.err for outcome in outcomes)
    (tmp_path / "volume").symlink_to(moved)
    assert shell.run("validate", "demo", CONDA_ENVS_PATH=str(moved)).code == 0

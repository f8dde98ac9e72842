"""Forks of the tests' server: a command there ends, prints and is surrounded as in a new interpreter."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import forkserver
import pytest
from forkserver import ForkServer

_START = {"LC_ALL": "C.UTF-8"}
_NEW = [sys.executable, "-m", "envkit"]


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    server = ForkServer(_START)
    yield server
    server.close()


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {**_START, "HOME": str(tmp_path), "CONDA_ENVS_PATH": str(tmp_path / "envs"), "NO_COLOR": "1"}


@pytest.mark.parametrize(
    "words",
    [
        ["--version"],
        ["--help"],
        ["help", "create"],
        ["nonsense"],
        ["list"],
        ["list", "--json"],
        ["detect", "--json", "--no-such-option"],
        ["run", "demo", "--", "true"],
        [],
    ],
)
def test_it_ends_and_prints_as_a_new_interpreter(
    server: ForkServer, env: dict[str, str], tmp_path: Path, words: list[str]
) -> None:
    new = subprocess.run([*_NEW, *words], env=env, cwd=tmp_path, capture_output=True, check=False)
    assert server.run(words, env=env, cwd=tmp_path, timeout_s=60) == (new.returncode, new.stdout, new.stderr)


def test_a_command_is_replaced_by_the_program_that_it_runs(
    server: ForkServer, env: dict[str, str], tmp_path: Path
) -> None:
    """In its own directory, with its own variables, umask and descriptors; standard input is empty."""
    (tmp_path / "envs/demo/conda-meta").mkdir(parents=True)
    say = "pwd; umask; env | sort; ls /proc/self/fd; echo to stderr >&2; cat; kill -TERM $$"
    before = os.umask(0o027)
    try:
        words = ["run", "-p", str(tmp_path / "envs/demo"), "--", "/bin/sh", "-c", say]
        new = subprocess.run(
            [*_NEW, *words], env=env, cwd=tmp_path, capture_output=True, check=False, stdin=subprocess.DEVNULL
        )
        assert new.returncode == -15, new.stderr
        assert server.run(words, env=env, cwd=tmp_path, timeout_s=60) == (-15, new.stdout, new.stderr)
    finally:
        os.umask(before)


def test_bugs_have_their_traceback(server: ForkServer, env: dict[str, str], tmp_path: Path) -> None:
    code, out, err = server.run(["list", "\0"], env=env, cwd=tmp_path, timeout_s=60)
    assert (code, out) != (0, b"")
    assert err


def test_commands_run_beside_each_other_and_end_in_any_order(
    server: ForkServer, env: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "envs/demo/conda-meta").mkdir(parents=True)
    os.mkfifo(tmp_path / "pipe")
    wait = ["run", "-p", str(tmp_path / "envs/demo"), "--", "/bin/sh", "-c", "read word < pipe; exit $word"]
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(server.run(wait, env=env, cwd=tmp_path, timeout_s=60)[0]))
    thread.start()
    assert server.run(["--version"], env=env, cwd=tmp_path, timeout_s=60)[0] == 0
    assert codes == []
    (tmp_path / "pipe").write_text("7\n")
    thread.join()
    assert codes == [7]


def test_a_command_that_takes_too_long_is_killed(server: ForkServer, env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "envs/demo/conda-meta").mkdir(parents=True)
    os.mkfifo(tmp_path / "pipe")
    words = ["run", "-p", str(tmp_path / "envs/demo"), "--", "/bin/sh", "-c", "exec 3<>pipe; exec sleep 600"]
    with pytest.raises(subprocess.TimeoutExpired):
        server.run(words, env={**env, "PATH": os.defpath}, cwd=tmp_path, timeout_s=1)
    deadline = time.monotonic() + 60
    with contextlib.suppress(OSError):  # ENXIO: nobody has it open any more
        while True:
            os.close(os.open(tmp_path / "pipe", os.O_WRONLY | os.O_NONBLOCK))
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_what_a_fork_would_not_see_needs_a_new_interpreter(
    server: ForkServer, env: dict[str, str], tmp_path: Path
) -> None:
    assert server.fits(env, tmp_path)
    assert not server.fits({**env, "PYTHONPATH": "x"}, tmp_path)
    assert not server.fits({**env, "LD_PRELOAD": "x"}, tmp_path)
    assert not server.fits({n: v for n, v in env.items() if n != "LC_ALL"}, tmp_path)
    assert not server.fits(env, tmp_path / "missing")
    (tmp_path / "rich").mkdir()
    assert server.fits(env, tmp_path)
    (tmp_path / "rich/__init__.py").touch()
    assert not server.fits(env, tmp_path)
    assert not server.fits(env, Path(forkserver.__file__).parent)

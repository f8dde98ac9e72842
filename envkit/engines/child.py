"""A solver that is a program: run with bounded time, in a process group of its own that is never left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Ended", "kill_children", "run_child"]

KILL_GRACE_S = 5.0
"""How long a killed child may take to be gone: one that waits inside the kernel ignores SIGKILL until it returns."""

_running: set[int] = set()


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended and what it wrote.

    Attributes:
        code: Exit status, negative for a signal; None when it was killed because its time was over.
        out: Standard output.
        err: Standard error.
    """

    code: int | None
    out: str
    err: str


def run_child(command: Sequence[str | Path], *, env: Mapping[str, str], timeout_s: float) -> Ended:
    """Run a program to its end and bring home what it writes; interrupted or over time, its whole group is killed.

    Output goes to files: an index query of megabytes fills no pipe, and a grandchild that keeps one open cannot hold
    this call up.

    Args:
        command: The program and its arguments; they show in process lists, so they carry no secret.
        env: All of its environment variables.
        timeout_s: After so many seconds it is killed.

    Raises:
        OSError: The program cannot be started.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env=dict(env),
            start_new_session=True,
        )
        _running.add(process.pid)
        over = False
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            over = True
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # all are gone; macOS: EPERM of zombies
                os.killpg(process.pid, signal.SIGKILL)
            _running.discard(process.pid)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(KILL_GRACE_S)
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read().decode("utf-8", "replace"))
    return Ended(None if over else process.returncode, *texts)


def kill_children() -> None:
    """Kill every solver that is running; for a process that is about to leave at once."""
    for group in tuple(_running):
        with contextlib.suppress(OSError):
            os.killpg(group, signal.SIGKILL)

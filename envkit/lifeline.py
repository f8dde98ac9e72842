"""End a child, and its own children, when the process that started it ends.

Two ways, since each has a gap that the other closes: the end of a pipe (missed while a fork of the parent holds its
other end) and, on Linux, PR_SET_PDEATHSIG (prctl(2)).
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading

_PR_SET_PDEATHSIG = 1
_ROUNDS = 5


def live_with(parent: int, pipe: int) -> None:
    """End this process and those that it started when `parent`, the only holder of the other end of `pipe`, is gone."""
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(OSError, AttributeError):
            # SIGTERM, whose handler can still end the processes that this one started.
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    # If the parent ended before prctl was called, no signal comes.
    if os.getppid() != parent:
        _die()
    threading.Thread(target=_wait, args=(pipe,), name="envkit-lifeline", daemon=True).start()


def _wait(pipe: int) -> None:
    with contextlib.suppress(OSError):
        while os.read(pipe, 4096):
            pass
    _die()


def _die() -> None:
    kill_descendants()
    os.kill(os.getpid(), signal.SIGKILL)


def kill_descendants() -> None:
    """Kill all processes that this one started, in any session; on Linux only (elsewhere they have time limits)."""
    for _ in range(_ROUNDS):  # one of them may have started another since
        found = _descendants(os.getpid())
        if not found:
            return
        for number in found:
            with contextlib.suppress(OSError):
                os.kill(number, signal.SIGKILL)


def _descendants(process: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    try:
        names = os.listdir("/proc")
    except OSError:
        return []
    for name in names:
        if not name.isdigit():
            continue
        with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
            # The command in parentheses may contain spaces; state and parent follow it (proc(5)).
            state, parent = file.read().rpartition(b")")[2].split()[:2]
            if state != b"Z":
                parents.setdefault(int(parent), []).append(int(name))
    found: list[int] = []
    layer = [process]
    while layer:
        layer = [child for number in layer for child in parents.get(number, ())]
        found += layer
    return found

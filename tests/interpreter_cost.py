"""What a line of Python costs over a bare interpreter."""

from __future__ import annotations

import resource
import subprocess
import sys

ROUNDS = 9


def _best_s(code: str) -> float:
    """The least of several runs, in seconds of processor time.

    What is measured neither sleeps nor waits for anybody, so on an idle machine this is the time on the clock; on a
    busy one, the clock would measure the neighbours.
    """
    best = float("inf")
    for _ in range(ROUNDS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return best


def costs_at_most(code: str, limit_s: float) -> None:
    """Assert that `code` takes at most `limit_s` more than ``pass``, trying a few times: either may be disturbed."""
    extra: list[float] = []
    while len(extra) < 4 and (not extra or min(extra) > limit_s):
        extra.append(_best_s(code) - _best_s("pass"))
    assert min(extra) <= limit_s, extra

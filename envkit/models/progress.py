"""How long work tells what it is doing: a Reporter, whose methods do nothing by default."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Literal

Phase = Literal[
    "detect",
    "index",
    "solve",
    "pip",
    "download",
    "gpu code",
    "read",
    "link",
    "bytecode",
    "wheels",
    "validate",
    "clean",
    "pack",
    "unpack",
    "stage",
    "nodes",
    "check",
    "remove",
    "export",
]

_LONG_S = 0.5  # what takes longer is worth a line


class Reporter:
    """Listens to long work, and says nothing. A phase starts, advances any number of times, and ends."""

    def start(self, phase: Phase, text: str, *, total: int | None = None, unit: str = "") -> None:
        """Start a phase; `total` is the amount of work in `unit` (``B`` for bytes), if known."""

    def advance(self, phase: Phase, amount: int, *, text: str | None = None) -> None:
        """Count `amount` more of the phase as done."""

    def finish(self, phase: Phase, text: str) -> None:
        """End the phase; `text` is its outcome, empty where there is nothing to tell."""

    def detail(self, text: str) -> None:
        """Tell what only somebody who looks for a fault wants to know."""

    def note(self, text: str) -> None:
        """Tell the user something, outside any phase."""


class Listener(Reporter):
    """Passes everything on to another reporter, and knows whether the user was told something, outside phases too."""

    def __init__(self, inner: Reporter) -> None:
        """Pass on to `inner`."""
        self.told = False
        self.noted = False
        self._inner = inner

    def start(self, phase: Phase, text: str, *, total: int | None = None, unit: str = "") -> None:
        """See `Reporter.start`."""
        self.told = True
        self._inner.start(phase, text, total=total, unit=unit)

    def advance(self, phase: Phase, amount: int, *, text: str | None = None) -> None:
        """See `Reporter.advance`."""
        self._inner.advance(phase, amount, text=text)

    def finish(self, phase: Phase, text: str) -> None:
        """See `Reporter.finish`."""
        self.told = True
        self._inner.finish(phase, text)

    def detail(self, text: str) -> None:
        """See `Reporter.detail`."""
        self._inner.detail(text)

    def note(self, text: str) -> None:
        """See `Reporter.note`."""
        self.told = self.noted = True
        self._inner.note(text)


@contextlib.contextmanager
def working(reporter: Reporter, phase: Phase, text: str, *, total: int | None = None, unit: str = "") -> Iterator[None]:
    """Show work whose outcome the command itself prints; it leaves a line only if it took over half a second."""
    began = time.monotonic()
    reporter.start(phase, text, total=total, unit=unit)
    outcome = ""
    try:
        yield
        outcome = text if time.monotonic() - began > _LONG_S else ""
    finally:
        reporter.finish(phase, outcome)

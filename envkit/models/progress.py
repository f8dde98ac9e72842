"""How long work tells what it is doing: a Reporter, whose methods do nothing by default."""

from __future__ import annotations

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
]


class Reporter:
    """Listens to long work, and says nothing. A phase starts, advances any number of times, and ends."""

    def start(self, phase: Phase, text: str, *, total: int | None = None, unit: str = "") -> None:
        """Start a phase; `total` is the amount of work in `unit` (``B`` for bytes), if known."""

    def advance(self, phase: Phase, amount: int, *, text: str | None = None) -> None:
        """Count `amount` more of the phase as done."""

    def finish(self, phase: Phase, text: str) -> None:
        """End the phase; `text` is its outcome."""

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

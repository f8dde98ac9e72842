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

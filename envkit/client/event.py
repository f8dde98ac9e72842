"""What long work tells while it goes on."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Event"]


class Event(NamedTuple):
    """One piece of progress; `str` gives a line for people.

    Attributes:
        event: ``start``, ``advance``, ``finish`` or ``note``.
        phase: ``index``, ``solve``, ``download``, ``link``, ``bytecode``, ``validate``; empty for a note.
        text: What goes on, or what came of it.
        amount: How much more is done, in `unit`.
        total: How much there is to do, where it is known.
        unit: ``B`` for bytes; empty for pieces.
    """

    event: str
    phase: str = ""
    text: str = ""
    amount: int = 0
    total: int | None = None
    unit: str = ""

    def __str__(self) -> str:
        words = ": ".join(part for part in (self.phase, self.text) if part)
        return f"{words} ..." if self.event == "start" else words

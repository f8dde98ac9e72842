"""Progress events."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Event"]


class Event(NamedTuple):
    """A progress event; `str` gives a line for people.

    Attributes:
        event: ``start``, ``advance``, ``finish`` or ``note``.
        phase: ``index``, ``solve``, ``download``, ``link``, ``bytecode``, ``validate``; empty for a note.
        text: Description of the work or its result.
        amount: Progress since the last event, in `unit`.
        total: Amount of all work, if it is known.
        unit: ``B`` for bytes; empty for a count.
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

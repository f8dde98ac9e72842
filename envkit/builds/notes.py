"""What a classification was read from, and what disagreed."""

from __future__ import annotations

__all__ = ["Notes"]


class Notes:
    """Evidence and conflicts, in the order in which they were met."""

    def __init__(self) -> None:
        self.evidence: list[str] = []
        self.conflicts: list[str] = []

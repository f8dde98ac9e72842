"""Versions of a package by CUDA."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from envkit.models.build import Tier, Verdict

__all__ = ["Cell", "Matrix"]


@dataclass(frozen=True, slots=True)
class Cell:
    """The builds of one version and CUDA.

    Attributes:
        best: The one that runs best.
        number: How many there are.
    """

    best: Verdict
    number: int

    @property
    def tier(self) -> Tier:
        """The best tier."""
        return self.best.tier


@dataclass(frozen=True, slots=True)
class Matrix:
    """The grid.

    Attributes:
        columns: CUDA versions, the newest first, then ``CPU``, ``MPS`` and ``any`` where there are such builds.
        rows: Versions, the newest first, each with its cells by column.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, Mapping[str, Cell]], ...]

    def first(self, rows: int) -> Matrix:
        """Return the newest rows, with the columns that have a build there."""
        kept = self.rows[:rows]
        return Matrix(tuple(c for c in self.columns if any(c in cells for _, cells in kept)), kept)

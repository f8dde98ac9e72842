"""Versions by CUDA: the best tier of each pair, for those who would rather look."""

from __future__ import annotations

from collections.abc import Iterable

from envkit.builds.version import version_key
from envkit.models.build import Build, Verdict
from envkit.models.results import Cell, Matrix
from envkit.plan.rank import ELSEWHERE

_LAST = ("CUDA", "CPU", "MPS", "any")


def _column(build: Build) -> str:
    if build.variant == "cuda":
        if build.build_cuda is None:
            return "CUDA"
        return f"{build.build_cuda.major}.x" if build.cuda_major_only else str(build.build_cuda)
    return {"cpu": "CPU", "mps": "MPS"}.get(build.variant, "any")


def _order(column: str) -> tuple[int, float, float]:
    if column in _LAST:
        return (_LAST.index(column) + 1, 0, 0)
    major, _, minor = column.partition(".")
    return (0, -int(major), 1 if minor == "x" else -int(minor))


def make_matrix(verdicts: Iterable[Verdict]) -> Matrix:
    """Arrange builds in a grid of versions by CUDA, whatever CUDA was asked for.

    Those for another platform or Python than asked are left out.
    """
    grid: dict[str, dict[str, list[Verdict]]] = {}
    for verdict in verdicts:
        if verdict.code in ELSEWHERE:
            continue
        row = grid.setdefault(verdict.build.record.version, {})
        row.setdefault(_column(verdict.build), []).append(verdict)
    versions = sorted(grid, key=lambda text: (version_key(text), text), reverse=True)
    columns = sorted({column for version in versions for column in grid[version]}, key=_order)
    return Matrix(tuple(columns), tuple((version, _cells(grid[version])) for version in versions))


def _cells(row: dict[str, list[Verdict]]) -> dict[str, Cell]:
    return {column: _cell(found) for column, found in row.items()}


def _cell(found: list[Verdict]) -> Cell:
    return Cell(min(found, key=lambda v: v.tier.rank), tuple(verdict.build for verdict in found))

"""The geometry of small charts, which templates draw as SVG: numbers in, numbers out."""

from __future__ import annotations

from collections.abc import Sequence

from envkit.tuples import NamedTuple


class Bar(NamedTuple):
    """One bar; shares of the width of the chart, from 0 to 1."""

    label: str
    value: float
    width: float


class Bars(NamedTuple):
    """Bars of one unit, from zero, and a mark at their usual value."""

    bars: tuple[Bar, ...]
    mark: float


def bars(points: Sequence[tuple[str, float]], usual: float) -> Bars:
    """Return bars that begin at zero, so that their lengths compare; the longest fills the width."""
    most = max((value for _, value in points), default=0.0)
    scale = 1 / max(most, usual) if max(most, usual) > 0 else 0.0
    return Bars(tuple(Bar(label, value, max(0.0, value * scale)) for label, value in points), max(0.0, usual * scale))

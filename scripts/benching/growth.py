"""How a cost grows with a size."""

from __future__ import annotations

import math
from collections.abc import Sequence

LINEAR = 1.1
"""An exponent up to which growth counts as linear: noise of a tenth at both ends of a factor of eight."""

_FLAT_SHARE, _FLAT_S = 0.15, 0.010


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """Return the exponent of a power law through the points, by least squares over the logarithms."""
    xs = [math.log(size) for size in sizes]
    ys = [math.log(max(cost, 1e-6)) for cost in costs]
    x_mean, y_mean = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - x_mean) ** 2 for x in xs)
    return sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True)) / spread


def last_exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """Return the exponent between the two largest sizes, where what a start costs weighs least."""
    return exponent(sizes[-2:], costs[-2:])


def is_flat(costs: Sequence[float]) -> bool:
    """Tell whether the cost, in seconds, is the same at the first and the last size, as far as can be measured."""
    return costs[-1] <= costs[0] * (1 + _FLAT_SHARE) + _FLAT_S

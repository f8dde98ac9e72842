"""How far a right answer may be from the exact one: derived, not tuned.

A sum of n products in floating point, in whatever order, with or without fused multiply-add, is off by at most n u
times the sum of absolute values, where u is the unit roundoff (Higham, Accuracy and Stability of Numerical Algorithms,
2nd edition, section 3.1 and equation 3.5), and by less than ``sqrt(n) u`` times a small factor with a probability next
to one, since roundings do not all go the same way (Higham and Mary, A new approach to probabilistic rounding error
analysis, 2019). The latter is taken: on the CPU and on an H200, right answers lie 10 to 80 times below it, and 100 to
1,400 times below n u. Probes measure the error in units of that sum, so the bound needs no knowledge of the numbers.
Algorithms that are no plain sums lose a known factor more:

- ``matmul``: 4. Three TF32 products for one in float32 (NVIDIA CUTLASS, "fast accurate GEMM") and sums split over
  blocks lose up to two bits. One TF32 product, of 11 bits, stays outside.
- ``regression-gradient``: 2. The same, in sums whose terms are long rounded before.
- ``conv``: 16. cuDNN and oneDNN may choose Winograd's transformation, whose error is larger and grows with the tile
  (Barabasz et al., Error analysis and improving the accuracy of Winograd convolution for deep neural networks, 2020).
- ``attention-gradient``: 8. As matmul, twice in a row, and exponentials of a few units in the last place.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

UNIT_ROUNDOFF: Mapping[str, float] = {"float32": 2.0**-24, "float64": 2.0**-53, "bfloat16": 2.0**-8}
ALLOWANCES: Mapping[str, float] = {
    "matmul": 4.0,
    "bf16": 1.0,
    "conv": 16.0,
    "regression-gradient": 2.0,
    "attention-gradient": 8.0,
    "compile": 1.0,
}


def tolerance(check: str, arithmetic: str, terms: int) -> float:
    """Return the largest relative error that a right answer to `check` can have.

    Args:
        check: Name of the check; one that is not known gets no allowance.
        arithmetic: ``float32``, ``float64``, ``bfloat16``, or ``exact`` for numbers that need no rounding.
        terms: How many roundings can add up in an entry.

    Raises:
        ValueError: The arithmetic is not known, or there are so many terms that the bound says nothing.
    """
    if arithmetic == "exact":
        return 0.0
    unit = UNIT_ROUNDOFF.get(arithmetic)
    if unit is None:
        raise ValueError(f"unknown arithmetic: {arithmetic}")
    bound = math.sqrt(terms) * unit
    if bound >= 1:
        raise ValueError(f"no bound for {terms} terms in {arithmetic}")
    return ALLOWANCES.get(check, 1.0) * bound

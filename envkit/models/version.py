"""Version numbers of the CUDA world: toolkits, compute capabilities, drivers.

Three kinds of number look alike and mean different things, so each has its own type: a `CudaVersion` (12.1) names a
toolkit or a driver's ceiling, a `ComputeCapability` (8.6) a GPU architecture, a `DriverVersion` (550.54.14) a driver.
"""

from __future__ import annotations

import re

from envkit.patterns import regex
from envkit.tuples import NamedTuple
from envkit.values import dataclass

_TWO = regex(r"(\d{1,4})(?:\.(\d{1,4}))?(?:\.\d+)*\Z")
_DRIVER = regex(r"\d{1,5}(?:\.\d{1,5}){0,3}\Z")


class CudaVersion(NamedTuple):
    """A CUDA version, ``major.minor``: of a toolkit, or the newest that a driver supports."""

    major: int
    minor: int

    @classmethod
    def parse(cls, text: str) -> CudaVersion:
        """Read ``"12.1"``, ``"12"`` (12.0) or ``"12.1.105"``; anything else is a ValueError."""
        match = _TWO.match(text.strip())
        if match is None:
            raise ValueError(f"not a CUDA version: {text!r}")
        return cls(int(match[1]), int(match[2] or 0))

    @classmethod
    def from_driver_number(cls, number: int) -> CudaVersion:
        """Read what ``cuDriverGetVersion`` returns: 1000 x major + 10 x minor (CUDA driver API)."""
        return cls(number // 1000, number % 1000 // 10)

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


class ComputeCapability(NamedTuple):
    """A GPU architecture as CUDA counts it, ``major.minor``."""

    major: int
    minor: int

    @classmethod
    def parse(cls, text: str) -> ComputeCapability:
        """Read ``"8.6"``; anything else is a ValueError."""
        match = re.match(r"(\d{1,2})\.(\d)\Z", text.strip())
        if match is None:
            raise ValueError(f"not a compute capability: {text!r} (write it as 8.6)")
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def from_sm(cls, number: int) -> ComputeCapability:
        """Read the number of an ``sm_`` or ``compute_`` name: 86 is 8.6, 120 is 12.0."""
        return cls(*divmod(number, 10))

    @property
    def sm(self) -> int:
        """The number in ``sm_86``."""
        return self.major * 10 + self.minor

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


@dataclass(frozen=True, slots=True, order=True)
class DriverVersion:
    """An NVIDIA driver version, compared number by number (``450.80.02`` is 450, 80, 2).

    A version of one or two numbers that a person wrote (``550``, ``550.54``) means the whole branch: `is_branch`.
    """

    numbers: tuple[int, ...]

    @classmethod
    def parse(cls, text: str) -> DriverVersion:
        """Read ``"550.54.14"``, ``"550"`` or a Windows ``"572.60"``; anything else is a ValueError."""
        text = text.strip()
        if _DRIVER.match(text) is None:
            raise ValueError(f"not a driver version: {text!r} (write it as 550.54.14, or 550 for the branch)")
        return cls(tuple(int(part) for part in text.split(".")))

    @property
    def branch(self) -> int:
        """The first number: 550 of 550.54.14."""
        return self.numbers[0]

    @property
    def is_branch(self) -> bool:
        """Whether only a branch is named: too few numbers to compare with a minimum such as 550.54.14."""
        return len(self.numbers) < 3

    def __str__(self) -> str:
        first, *rest = self.numbers
        # NVIDIA writes the third number with two digits (450.80.02), the second as it is (384.81, 570.26).
        tail = [f"{n:02d}" if index == 1 else str(n) for index, n in enumerate(rest)]
        return ".".join([str(first), *tail])

"""Counting entries of GPU code, with a bound on how many a file may claim."""

from __future__ import annotations

from envkit.gpucode.source import MalformedCodeError
from envkit.models.gpucode import Architecture, GpuLibrary, PtxCode
from envkit.models.version import ComputeCapability, CudaVersion

_MOST_ENTRIES = 1_000_000  # cuBLASLt, the largest known, has 5,424
_MOST_KINDS = 4096
ARCHITECTURES = range(10, 1000)  # sm_10 was the first; beyond 999, the number would be no X.Y


class Tally:
    """Entries counted so far, and the limits that keep a hostile file from taking hours or gigabytes.

    Attributes:
        seen: Number of regions and entries that were looked at.
    """

    def __init__(self) -> None:
        self.seen = 0
        self._sass: dict[tuple[int, str], int] = {}
        self._ptx: dict[tuple[int, str], tuple[int, tuple[int, int]]] = {}
        self._other: dict[str, int] = {}

    def look(self, kinds: int = 0) -> None:
        """Count one region or entry that is looked at.

        Args:
            kinds: The number of different ones so far.

        Raises:
            MalformedCodeError: It is more than any library holds.
        """
        self.seen += 1
        if kinds > _MOST_KINDS:
            raise MalformedCodeError(f"more than {_MOST_KINDS:,} kinds of GPU code")
        if self.seen > _MOST_ENTRIES:
            raise MalformedCodeError(f"more than {_MOST_ENTRIES:,} entries of GPU code")

    def add_sass(self, sm: int, suffix: str, number: int = 1) -> None:
        """Count machine code for ``sm_<sm><suffix>``."""
        key = (_checked(sm), suffix)
        self._sass[key] = self._sass.get(key, 0) + number

    def add_ptx(self, sm: int, suffix: str, isa: tuple[int, int], number: int = 1) -> None:
        """Count PTX for ``compute_<sm><suffix>``."""
        key = (_checked(sm), suffix)
        entries, newest = self._ptx.get(key, (0, isa))
        self._ptx[key] = (entries + number, max(isa, newest))

    def add_other(self, kind: str, number: int = 1) -> None:
        """Count what is neither."""
        if kind not in self._other and len(self._other) >= _MOST_KINDS:
            raise MalformedCodeError(f"more than {_MOST_KINDS:,} kinds of GPU code")
        self._other[kind] = self._other.get(kind, 0) + number

    def library(self, path: str, size: int) -> GpuLibrary:
        """Return what was counted, lowest architecture first."""
        return GpuLibrary(
            path,
            size,
            {_architecture(*key): number for key, number in sorted(self._sass.items())},
            {_architecture(*key): PtxCode(n, CudaVersion(*isa)) for key, (n, isa) in sorted(self._ptx.items())},
            dict(sorted(self._other.items())),
        )


def _checked(sm: int) -> int:
    if sm not in ARCHITECTURES:
        raise MalformedCodeError(f"GPU code for architecture {sm}, which cannot be")
    return sm


def _architecture(sm: int, suffix: str) -> Architecture:
    return Architecture(ComputeCapability.from_sm(sm), suffix)

"""Coverage: what the number of entries in a library says about a GPU.

A build system compiles every file of a library for every architecture of its list, so nearly all architectures have the
same number of entries: 448 each for 7.5, 8.0, 8.6, 9.0, 10.0 and 12.0 in libtorch_cuda of torch 2.12.1. Beside them
stand kernels written for one architecture: 59 for 10.0a, 4 for 9.0a, 1 for 8.9. A GPU that has only such kernels finds
none of the others, so it needs half of the usual number (`_least`).

Libraries of hand-written kernels have no usual number: libcublasLt 12.9 has 90 entries for 5.0, 477 for 8.0 and 1,399
for 10.0, and serves all three; libcudnn_engines_precompiled 9.10 has 262 to 757, and 6 for 12.1 (which runs the code of
12.0). There a fiftieth of the largest number is enough: 1.8 % of it was the most that was seen of architectures which
are not served alone, 6 % the least of those which are. Measured on 60 wheels of PyPI.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from envkit.cuda.architectures import fits_ptx, runs_sass
from envkit.cuda.ptx import cuda_of_isa
from envkit.models.gpucode import Architecture, GpuLibrary
from envkit.models.host import Gpu
from envkit.models.version import ComputeCapability, CudaVersion

Coverage = Literal["covered", "ptx", "partly", "none"]

_ALIKE = 0.1  # numbers of entries that differ by less are one usual number
_ALIKE_AT_LEAST = 3  # architectures that have to share it
_HALF = 0.5
_FIFTIETH = 0.02


class LibraryCoverage(NamedTuple):
    """What a library holds for one GPU.

    Attributes:
        kind: ``covered`` (machine code), ``ptx`` (PTX alone), ``partly`` (too little of either) or ``none``.
        entries: Number of entries that the GPU can use.
        least: Number that counts as coverage.
        ptx_cuda: For ``ptx``, the CUDA that a driver has to support to compile it.
    """

    kind: Coverage
    entries: int
    least: int
    ptx_cuda: CudaVersion | None = None


def _usual(counts: Iterable[int]) -> int:
    """Return the number of entries that most architectures have; 0 where no three are alike."""
    numbers = list(counts)
    groups = [[n for n in numbers if abs(n - usual) <= usual * _ALIKE] for usual in numbers]
    shared = [group for group in groups if len(group) >= _ALIKE_AT_LEAST]
    return max(max(shared, key=sum)) if shared else 0


def _least(library: GpuLibrary) -> int:
    counts = [*library.sass.values(), *(code.entries for code in library.ptx.values())]
    return max(1, round(max(_usual(counts) * _HALF, max(counts, default=0) * _FIFTIETH)))


def cover(library: GpuLibrary, gpu: Gpu) -> LibraryCoverage:
    """Return what a library holds for a GPU of known compute capability; the driver is not asked."""
    least = _least(library)
    machine = sum(number for arch, number in library.sass.items() if runs_sass(arch, gpu))
    if machine >= least:
        return LibraryCoverage("covered", machine, least)
    usable = [code for arch, code in library.ptx.items() if fits_ptx(arch, gpu)]
    entries = sum(code.entries for code in usable)
    if entries >= least:
        return LibraryCoverage("ptx", entries, least, cuda_of_isa(max(code.isa for code in usable)))
    return LibraryCoverage("partly" if machine + entries else "none", max(machine, entries), least)


def _main(counts: Mapping[Architecture, int], least: int) -> frozenset[Architecture]:
    """Return the architectures with enough entries; variants of one (9.0 and 9.0a) count together where none has."""
    enough = {arch for arch, number in counts.items() if number >= least}
    totals: dict[ComputeCapability, int] = {}
    for arch, number in counts.items():
        totals[arch.capability] = totals.get(arch.capability, 0) + number
    served = {arch.capability for arch in enough}
    together = {a for a in counts if a.capability not in served and totals[a.capability] >= least}
    return frozenset(enough | together)


def main_sass(library: GpuLibrary) -> frozenset[Architecture]:
    """Return the architectures that a library has machine code for, without those of a few special kernels."""
    return _main(library.sass, _least(library))


def main_ptx(library: GpuLibrary) -> frozenset[Architecture]:
    """Return the architectures that a library has PTX for, without those of a few special kernels."""
    return _main({arch: code.entries for arch, code in library.ptx.items()}, _least(library))

"""Coverage: what the number of entries in a library says about a GPU.

A build system compiles every file of a library for every architecture of its list, so nearly all architectures have the
same number of entries: 448 each for 7.5, 8.0, 8.6, 9.0, 10.0 and 12.0 in libtorch_cuda of torch 2.12.1. Beside them
stand kernels written for one architecture: 59 for 10.0a, 4 for 9.0a, 1 for 8.9. A GPU that has only such kernels finds
none of the others, so it needs half of the usual number.

Libraries of hand-written kernels have more of them for newer GPUs: libcublasLt 12.8 has 90 entries for 5.0, 477 for 8.0
and 1,411 for 12.0, and serves all three. Where several numbers are usual, the smaller one counts. One 25th of the
largest number is the least: 5.9 % was the smallest part of it that was seen of an architecture which is served (6.1 in
libcublasLt 12.9), 1.5 % the largest of one that is not (9.0a in libcudnn_cnn_infer 8.9; 1.2 % for 9.0 in libphi of
PaddlePaddle 2.6, which has 673 for 7.0). Measured on 80 wheels of PyPI.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from envkit.cuda.architectures import fits_ptx, runs_sass
from envkit.cuda.ptx import cuda_of_isa
from envkit.models.gpucode import Architecture, GpuLibrary
from envkit.models.host import Gpu
from envkit.models.version import ComputeCapability, CudaVersion
from envkit.tuples import NamedTuple

Coverage = Literal["covered", "ptx", "partly", "none"]

_ALIKE = 0.1  # numbers of entries that differ by less are one usual number
_ALIKE_AT_LEAST = 3  # architectures that have to share it
_HALF = 0.5
_LEAST = 0.04  # of the largest number


class LibraryCoverage(NamedTuple):
    """The code of a library for one GPU.

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


def _usual(numbers: Sequence[int], floor: float) -> int:
    """Return the number of entries that most architectures have, the smaller of several; 0 where no three are alike."""
    alike = [(sum(abs(n - each) <= each * _ALIKE for n in numbers), -each) for each in numbers if each >= floor]
    members, negative = max(alike, default=(0, 0))
    return -negative if members >= _ALIKE_AT_LEAST else 0


def _least(library: GpuLibrary) -> int:
    numbers = list(library.sass.values()) or [code.entries for code in library.ptx.values()]
    floor = max(numbers, default=0) * _LEAST
    return max(1, round(max(_usual(numbers, floor) * _HALF, floor)))


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

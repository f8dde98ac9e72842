"""Inference: the arch list of a build that nobody knows, from its nearest relative.

The relative is a build of the same package and channel with the same CUDA, else with the next lower one, and of these
the nearest older version. Its list is taken as it is, without what the build's own toolkit cannot compile. So it never
reaches below the oldest GPU of the relative. It reaches above the newest one in one case: where the relative
has code for the newest architecture of its own toolkit, so that the recipe keeps up, a newer toolkit is taken to bring
the architectures that it is the first to compile.

Of 462 pairs of a list of the table and a GPU, with the list left out and inferred from older ones, 444 are as the table
has them and 11 promise machine code that is not there (Maxwell of CUDA 12 in tensorflow and jaxlib, Maxwell and Pascal
in onnxruntime, Hopper of CUDA 11.8 in PyTorch); `tests/unit/test_inferred.py` counts them.
"""

from __future__ import annotations

from collections.abc import Iterable

from envkit.builds.version import VersionKey
from envkit.cuda.architectures import compiles_exactly, is_tegra, supported_archs
from envkit.models.build import ArchList, Relative
from envkit.models.gpucode import Architecture
from envkit.models.version import ComputeCapability, CudaVersion
from envkit.tuples import NamedTuple


class Known(NamedTuple):
    """Builds whose arch list is known, as relatives of others."""

    arch: ArchList
    relative: Relative
    subdirs: frozenset[str]
    low: VersionKey  # their oldest version
    high: VersionKey | None  # the first version that is newer than all of them; None where there is no bound


def nearest_relative(known: Iterable[Known], version: VersionKey, subdir: str, build_cuda: CudaVersion) -> Known | None:
    """Return the nearest relative of a build among those of its package and channel; None where all are newer."""
    older = [k for k in known if k.low <= version and k.relative.cuda <= build_cuda]
    here = [k for k in older if subdir in k.subdirs] or older
    if not here:
        return None
    cuda = max(k.relative.cuda for k in here)
    alike = (k for k in here if k.relative.cuda == cuda)
    return max(alike, key=lambda k: (version if k.high is None else min(version, k.high), k.low))


def _newest(capabilities: Iterable[ComputeCapability]) -> ComputeCapability:
    return max((each for each in capabilities if not is_tegra(each)), default=ComputeCapability(0, 0))


def _kept(code: Architecture, toolkit: CudaVersion) -> Architecture | None:
    """Return an architecture if the toolkit compiles for it, else the next one of its major: 7.5 for 7.0 in CUDA 13.

    jaxlib's wheels went that way: 7.0 of CUDA 12 serves 7.5, and 7.5 follows it in CUDA 13.
    """
    if compiles_exactly(toolkit, code.capability):
        return code
    same = [c for c in supported_archs(toolkit) if c.major == code.capability.major and c > code.capability]
    return Architecture(min(same)) if same and not code.suffix and not is_tegra(min(same)) else None


def infer(known: Known, build_cuda: CudaVersion) -> ArchList | None:
    """Return a relative's arch list for another toolkit; None where nothing of it is left."""
    arch, cuda = known.arch, known.relative.cuda
    sass = {kept for code in arch.sass if (kept := _kept(code, build_cuda)) is not None}
    ptx = frozenset(code for code in arch.ptx if compiles_exactly(build_cuda, code.capability))
    if not sass and not ptx:
        return None
    newest, compiled = _newest(code.capability for code in arch.sass), supported_archs(cuda)
    if build_cuda > cuda and newest.major == _newest(compiled).major:
        brought = [c for c in supported_archs(build_cuda) - compiled if not is_tegra(c) and c.major > newest.major]
        # The lowest of each major: its code runs on the others.
        sass |= {Architecture(min(c for c in brought if c.major == major)) for major in {c.major for c in brought}}
    return ArchList(frozenset(sass), ptx, arch.source, "inferred", relative=known.relative)

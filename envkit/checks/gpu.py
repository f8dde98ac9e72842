"""The GPU's side of a verdict: is there code for it inside."""

from __future__ import annotations

from functools import lru_cache

from envkit.checks.driver import ceiling_of
from envkit.checks.gpucode import judge_package
from envkit.cuda.architectures import (
    dropped_by_driver,
    dropped_by_toolkit,
    first_branch,
    first_drivers,
    fits_ptx,
    knows_arch,
    runs_sass,
)
from envkit.cuda.drivers import min_driver, os_of
from envkit.cuda.libraries import libraries_need_toolkit
from envkit.models.build import ArchList, Tier
from envkit.models.codes.reasons import (
    ARCH_LIST_UNKNOWN,
    CODE_INFERRED,
    GPU_DROPPED_BY_DRIVER,
    GPU_DROPPED_BY_TOOLKIT,
    GPU_NEEDS_NEWER_DRIVER,
    GPU_UNKNOWN,
    JIT,
    JIT_NEEDS_NEWER_DRIVER,
    LIBRARY_LACKS_GPU,
    MACHINE_CODE,
    NO_KERNEL_IMAGE,
    NOT_NEWEST_GPUS,
)
from envkit.models.fact import Reason
from envkit.models.gpucode import GpuPackage
from envkit.models.host import Gpu, Target
from envkit.models.version import ComputeCapability, CudaVersion
from envkit.tuples import NamedTuple
from envkit.values import replace


class GpuVerdict(NamedTuple):
    """``native`` (machine code), ``jit`` (PTX), ``unknown`` or ``no``, and why."""

    tier: Tier
    reasons: tuple[Reason, ...]


def _no(reason: Reason) -> GpuVerdict:
    return GpuVerdict(Tier.NO, (reason,))


def _support(gpu: Gpu, target: Target) -> GpuVerdict | None:
    """Return the refusal where the driver does not drive this GPU at all."""
    capability, driver = gpu.compute_capability, target.driver_version
    if capability is None or driver is None or gpu.tegra:
        return None
    last = dropped_by_driver(capability, driver)
    if last is not None:
        return _no(Reason(GPU_DROPPED_BY_DRIVER, gpu=gpu, last=last, branch=driver.branch))
    first = first_branch(capability)
    if first is not None and driver.branch < first:
        return _no(Reason(GPU_NEEDS_NEWER_DRIVER, gpu=gpu, first=first, driver=driver))
    return None


def _libraries(
    gpu: Gpu, capability: ComputeCapability, build_cuda: CudaVersion, library_cuda: CudaVersion | None
) -> GpuVerdict | None:
    needed = libraries_need_toolkit(capability)
    if needed is None or build_cuda >= needed[0]:
        return None
    toolkit, separate = needed
    if separate and library_cuda is not None and library_cuda >= toolkit:
        return None
    return _no(Reason(LIBRARY_LACKS_GPU, gpu=gpu, build_cuda=build_cuda, needed=toolkit))


@lru_cache(maxsize=8192)
def judge_gpu(
    gpu: Gpu,
    build_cuda: CudaVersion,
    arch: ArchList | None,
    library_cuda: CudaVersion | None,
    target: Target,
) -> GpuVerdict:
    """Judge whether a build's code runs on one GPU.

    Args:
        arch: The build's arch list, or None when unknown.
        library_cuda: The newest toolkit whose libraries the build's dependencies let in.
        target: The machine, for its driver.
    """
    capability = gpu.compute_capability
    if capability is None:
        return GpuVerdict(Tier.UNKNOWN, (Reason(GPU_UNKNOWN, gpu=gpu),))
    unsupported = _support(gpu, target)
    if unsupported is not None:
        return unsupported
    if dropped_by_toolkit(capability, build_cuda):
        return _no(Reason(GPU_DROPPED_BY_TOOLKIT, gpu=gpu, build_cuda=build_cuda))
    if arch is not None and arch.code is not None:
        return _measured(gpu, arch.code, target)
    sass = arch is not None and any(runs_sass(code, gpu) for code in arch.sass)
    if not sass:
        lacking = _libraries(gpu, capability, build_cuda, library_cuda)
        if lacking is not None:
            return lacking if arch is None else _marked(_prefer_kernel_image(gpu, arch, lacking), arch)
    if arch is None:
        return _unknown_arch(gpu, capability, build_cuda)
    if sass:
        return _marked(GpuVerdict(Tier.NATIVE, (Reason(MACHINE_CODE, gpu=gpu),)), arch)
    if _beyond_relative(capability, build_cuda, arch):
        return _marked(_unknown_arch(gpu, capability, build_cuda), arch)
    return _marked(_judge_ptx(gpu, build_cuda, arch, target), arch)


def _measured(gpu: Gpu, code: GpuPackage, target: Target) -> GpuVerdict:
    """Judge a build by its libraries."""
    found = judge_package(code, replace(target, gpus=(gpu,)))
    return GpuVerdict(Tier.UNKNOWN, ()) if found is None else GpuVerdict(found.tier, found.reasons)


def _marked(verdict: GpuVerdict, arch: ArchList) -> GpuVerdict:
    """Add where the arch list is from, if it was inferred."""
    if arch.relative is None:
        return verdict
    return GpuVerdict(verdict.tier, (*verdict.reasons, Reason(CODE_INFERRED, relative=arch.relative)))


def _beyond_relative(capability: ComputeCapability, build_cuda: CudaVersion, arch: ArchList) -> bool:
    """Return whether a list was inferred from a toolkit that was too old to compile for a GPU, and tells nothing of it.

    PTX of such a relative still runs there.
    """
    if arch.relative is None or any(fits_ptx(code, Gpu(None, capability)) for code in arch.ptx):
        return False
    return knows_arch(build_cuda, capability) and not knows_arch(arch.relative.cuda, capability)


def _prefer_kernel_image(gpu: Gpu, arch: ArchList, lacking: GpuVerdict) -> GpuVerdict:
    """Put the missing kernels first where there is neither SASS nor PTX."""
    if any(fits_ptx(code, gpu) for code in arch.ptx):
        return lacking
    return GpuVerdict(Tier.NO, (_no_kernel(gpu, arch), *lacking.reasons))


def _no_kernel(gpu: Gpu, arch: ArchList) -> Reason:
    return Reason(NO_KERNEL_IMAGE, gpu=gpu, sass=arch.sass, ptx=arch.ptx)


def _unknown_arch(gpu: Gpu, capability: ComputeCapability, build_cuda: CudaVersion) -> GpuVerdict:
    compiles = knows_arch(build_cuda, capability)
    return GpuVerdict(Tier.UNKNOWN, (Reason(ARCH_LIST_UNKNOWN, gpu=gpu, build_cuda=build_cuda, compiles=compiles),))


def _judge_ptx(gpu: Gpu, build_cuda: CudaVersion, arch: ArchList, target: Target) -> GpuVerdict:
    usable = frozenset(code for code in arch.ptx if fits_ptx(code, gpu))
    if not usable:
        return GpuVerdict(Tier.NO, (_no_kernel(gpu, arch),))
    ceiling = ceiling_of(target)
    if ceiling is not None and ceiling < build_cuda:
        needed = min_driver(build_cuda, os_of(target.subdir))
        facts = {"gpu": gpu, "ptx": usable, "build_cuda": build_cuda, "needed": needed, "ceiling": ceiling}
        return _no(Reason(JIT_NEEDS_NEWER_DRIVER, **facts))
    return GpuVerdict(Tier.JIT, (Reason(JIT, gpu=gpu, ptx=usable),))


def misses_newest_gpus(build_cuda: CudaVersion, arch: ArchList | None, target: Target) -> Reason | None:
    """Find an architecture that the driver also drives and that is newer than all code of the build.

    Such a build is right for most GPUs of that driver and wrong for the newest; a build for all of them goes first.
    """
    driver = target.driver_version
    if driver is None or arch is None:
        return None
    for name, capability, branch in first_drivers():
        gpu = Gpu(name=name, compute_capability=capability)
        if driver.branch >= branch and not any(runs_sass(code, gpu) for code in arch.sass):
            return Reason(NOT_NEWEST_GPUS, build_cuda=build_cuda, name=name, capability=capability, driver=driver)
    return None

"""The GPU's side of a verdict: is there code for it inside."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from envkit.checks.driver import ceiling_of
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
from envkit.models.build import ArchList, Reason, Tier
from envkit.models.host import Gpu, Target
from envkit.models.version import ComputeCapability, CudaVersion

__all__ = ["GpuVerdict", "judge_gpu", "misses_newest_gpus"]


class GpuVerdict(NamedTuple):
    """``native`` (machine code), ``jit`` (PTX), ``unknown`` or ``no``, and why."""

    tier: Tier
    reasons: tuple[Reason, ...]


def _label(gpu: Gpu) -> str:
    name = gpu.name or "GPU"
    return f"{name} ({gpu.compute_capability})" if gpu.compute_capability else name


def _archs(archs: frozenset[ComputeCapability]) -> str:
    return " ".join(str(arch) for arch in sorted(archs)) or "none"


def _no(code: str, text: str) -> GpuVerdict:
    return GpuVerdict(Tier.NO, (Reason(code, text),))


def _support(gpu: Gpu, target: Target) -> GpuVerdict | None:
    """Whether the driver drives this GPU at all."""
    capability, driver = gpu.compute_capability, target.driver_version
    if capability is None or driver is None or gpu.tegra:
        return None
    last = dropped_by_driver(capability, driver)
    if last is not None:
        return _no("gpu-dropped-by-driver", f"driver branch {last} is the last for {_label(gpu)}, not {driver.branch}")
    first = first_branch(capability)
    if first is not None and driver.branch < first:
        return _no("gpu-needs-newer-driver", f"{_label(gpu)} needs driver branch {first} or newer, not {driver}")
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
    text = f"cuBLAS and cuDNN of CUDA {build_cuda} have no code for {_label(gpu)}: {toolkit} is the first that has"
    return _no("library-lacks-gpu", text)


@lru_cache(maxsize=8192)
def judge_gpu(
    gpu: Gpu,
    build_cuda: CudaVersion,
    arch: ArchList | None,
    library_cuda: CudaVersion | None,
    target: Target,
) -> GpuVerdict:
    """Whether a build's code runs on one GPU.

    Args:
        gpu: The GPU.
        build_cuda: The build's toolkit.
        arch: The build's arch list, or None when unknown.
        library_cuda: The newest toolkit whose libraries the build's dependencies let in.
        target: The machine, for its driver.
    """
    capability = gpu.compute_capability
    if capability is None:
        return GpuVerdict(Tier.UNKNOWN, (Reason("gpu-unknown", f"{_label(gpu)}: its compute capability is not known"),))
    unsupported = _support(gpu, target)
    if unsupported is not None:
        return unsupported
    if dropped_by_toolkit(capability, build_cuda):
        text = f"CUDA {build_cuda} compiles nothing for {_label(gpu)}"
        return _no("gpu-dropped-by-toolkit", text)
    sass = arch is not None and any(runs_sass(code, gpu) for code in arch.sass)
    if not sass:
        lacking = _libraries(gpu, capability, build_cuda, library_cuda)
        if lacking is not None:
            return lacking if arch is None else _prefer_kernel_image(gpu, arch, lacking)
    if arch is None:
        return _unknown_arch(gpu, capability, build_cuda)
    if sass:
        return GpuVerdict(Tier.NATIVE, (Reason("machine-code", f"has machine code for {_label(gpu)}"),))
    return _judge_ptx(gpu, build_cuda, arch, target)


def _prefer_kernel_image(gpu: Gpu, arch: ArchList, lacking: GpuVerdict) -> GpuVerdict:
    """Without SASS and PTX the kernels themselves are what is missing first."""
    if any(fits_ptx(code, gpu) for code in arch.ptx):
        return lacking
    return GpuVerdict(Tier.NO, (_no_kernel(gpu, arch), *lacking.reasons))


def _no_kernel(gpu: Gpu, arch: ArchList) -> Reason:
    return Reason(
        "no-kernel-image",
        f"no code for {_label(gpu)}: machine code for {_archs(arch.sass)}, PTX for {_archs(arch.ptx)}",
    )


def _unknown_arch(gpu: Gpu, capability: ComputeCapability, build_cuda: CudaVersion) -> GpuVerdict:
    if not knows_arch(build_cuda, capability):
        text = f"CUDA {build_cuda} is older than {_label(gpu)}, and whether the build holds PTX is not known"
        return GpuVerdict(Tier.UNKNOWN, (Reason("arch-list-unknown", text),))
    text = f"which GPUs this build holds code for is not known; CUDA {build_cuda} can compile for {_label(gpu)}"
    return GpuVerdict(Tier.UNKNOWN, (Reason("arch-list-unknown", text),))


def _judge_ptx(gpu: Gpu, build_cuda: CudaVersion, arch: ArchList, target: Target) -> GpuVerdict:
    usable = frozenset(code for code in arch.ptx if fits_ptx(code, gpu))
    if not usable:
        return GpuVerdict(Tier.NO, (_no_kernel(gpu, arch),))
    ceiling = ceiling_of(target)
    if ceiling is not None and ceiling < build_cuda:
        needed = min_driver(build_cuda, os_of(target.subdir))
        text = (
            f"only PTX ({_archs(usable)}) for {_label(gpu)}, and PTX of CUDA {build_cuda} needs driver {needed} or "
            f"newer; this one compiles up to CUDA {ceiling}"
        )
        return _no("jit-needs-newer-driver", text)
    text = (
        f"only PTX ({_archs(usable)}) for {_label(gpu)}: compiled by the driver at the first start, which takes minutes"
    )
    return GpuVerdict(Tier.JIT, (Reason("jit", text),))


def misses_newest_gpus(build_cuda: CudaVersion, arch: ArchList | None, target: Target) -> Reason | None:
    """With no GPU named: whether the driver also drives an architecture that is newer than all code of the build.

    Such a build is right for most GPUs of that driver and wrong for the newest; a build for all of them goes first.
    """
    driver = target.driver_version
    if driver is None or arch is None:
        return None
    for name, capability, branch in first_drivers():
        gpu = Gpu(name=name, compute_capability=capability)
        if driver.branch >= branch and not any(runs_sass(code, gpu) for code in arch.sass):
            text = (
                f"CUDA {build_cuda}: no machine code for {name} GPUs ({capability}), which driver {driver} also drives"
            )
            return Reason("not-newest-gpus", text)
    return None

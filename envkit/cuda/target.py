"""From flags and overrides to a `Target`: the machine that a choice is made for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from envkit.cuda.architectures import is_tegra
from envkit.cuda.drivers import driver_ceiling
from envkit.cuda.gpus import parse_gpu
from envkit.errors import UsageError
from envkit.models.host import Gpu, Target
from envkit.models.version import ComputeCapability, CudaVersion, DriverVersion

__all__ = ["describe_target"]


def _driver(text: str) -> tuple[DriverVersion, CudaVersion]:
    try:
        driver = DriverVersion.parse(text)
        return driver, driver_ceiling(driver)
    except ValueError as error:
        raise UsageError(f"--driver: {error}", hint="write it as nvidia-smi shows it: 550.54.14, or 550") from error


def _gpus(names: Sequence[str]) -> tuple[Gpu, ...]:
    try:
        return tuple(parse_gpu(name) for name in names)
    except ValueError as error:
        raise UsageError(f"--gpu: {error}", hint="or give its architecture: --cuda-arch 8.6") from error


def _archs(texts: Sequence[str]) -> tuple[Gpu, ...]:
    try:
        capabilities = [ComputeCapability.parse(text) for text in texts]
    except ValueError as error:
        raise UsageError(f"--cuda-arch: {error}") from error
    return tuple(Gpu(name=None, compute_capability=c, tegra=is_tegra(c)) for c in capabilities)


def _override_cuda(target: Target, text: str) -> Target:
    """Read ``CONDA_OVERRIDE_CUDA`` (CEP 30): a version is ``__cuda``; an empty value means none."""
    described = target.described | {"driver_cuda"}
    if not text.strip():
        return replace(target, driver_version=None, driver_cuda=None, gpus=(), described=described)
    try:
        ceiling = CudaVersion.parse(text)
    except ValueError as error:
        raise UsageError(f"CONDA_OVERRIDE_CUDA: {error}") from error
    if ceiling == target.driver_cuda:
        return target
    return replace(target, driver_version=None, driver_cuda=ceiling, compat=False, described=described)


def describe_target(
    base: Target,
    *,
    platform: str | None = None,
    driver: str | None = None,
    gpus: Sequence[str] = (),
    cuda_archs: Sequence[str] = (),
    glibc: str | None = None,
    no_gpu: bool = False,
    override_cuda: str | None = None,
) -> Target:
    """Describe a target by flags, on top of the detected one; flags win over overrides.

    Args:
        platform: ``--platform``: another subdir, of which nothing of the host is kept.
        override_cuda: ``CONDA_OVERRIDE_CUDA`` (CEP 30); None when it is not set.
    """
    if no_gpu and (driver or gpus or cuda_archs):
        raise UsageError("--no-gpu contradicts --driver, --gpu and --cuda-arch", hint="leave one of them out")
    target = base
    if platform is not None and platform != base.subdir:
        target = Target(subdir=platform, described=frozenset({"subdir"}))
    if override_cuda is not None:
        target = _override_cuda(target, override_cuda)
    if glibc is not None:
        target = replace(target, glibc=glibc, described=target.described | {"glibc"})
    if no_gpu:
        given = target.described | {"gpus", "driver_version"}
        return replace(
            target, driver_version=None, driver_cuda=None, gpus=(), compat=False, nvidia_traces=(), described=given
        )
    if driver is not None:
        version, ceiling = _driver(driver)
        given = target.described | {"driver_version"}
        target = replace(target, driver_version=version, driver_cuda=ceiling, compat=False, described=given)
    named = (*_gpus(gpus), *_archs(cuda_archs))
    if named:
        target = replace(target, gpus=named, described=target.described | {"gpus"})
    return target

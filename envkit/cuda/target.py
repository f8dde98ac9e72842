"""From flags and overrides to a `Target`: the machine that a choice is made for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from envkit.cuda.architectures import is_tegra
from envkit.cuda.drivers import driver_ceiling
from envkit.cuda.gpus import parse_gpu
from envkit.errors import UsageError
from envkit.models.host import OVERRIDES, Gpu, Target
from envkit.models.version import ComputeCapability, CudaVersion, DriverVersion
from envkit.patterns import regex
from envkit.values import replace

_GLIBC = regex(r"2\.\d{1,3}(\.\d+)?\Z")


@contextlib.contextmanager
def _reading(flag: str, hint: str | None = None) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise UsageError(f"{flag}: {error}", hint=hint) from error


def _override_cuda(target: Target, text: str) -> Target:
    """Read ``CONDA_OVERRIDE_CUDA`` (CEP 30): a version is ``__cuda``; an empty value means none."""
    described = target.described | {"driver_cuda"}
    if not text.strip():
        return replace(target, driver_version=None, driver_cuda=None, gpus=(), described=described)
    with _reading("CONDA_OVERRIDE_CUDA"):
        ceiling = CudaVersion.parse(text)
    if ceiling == target.driver_cuda:
        return target
    return replace(target, driver_version=None, driver_cuda=ceiling, compat=False, described=described)


def _goes_with(name: str, platform: str) -> bool:
    """Return whether an override of an attribute counts for a platform (CEP 30)."""
    system = {"glibc": "linux", "linux": "linux", "osx": "osx", "win": "win"}.get(name)
    return name in OVERRIDES and system in {None, platform.partition("-")[0]}


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

    Of the host, only overrides that go with it are kept for another platform. `override_cuda` is that of the
    configuration, which stands in for ``CONDA_OVERRIDE_CUDA`` (CEP 30).
    """
    if no_gpu and (driver or gpus or cuda_archs):
        raise UsageError("--no-gpu contradicts --driver, --gpu and --cuda-arch", hint="leave one of them out")
    target = base
    if platform is not None and platform != base.subdir:
        kept = {name: getattr(base, name) for name in base.described if _goes_with(name, platform)}
        if override_cuda is None and "driver_cuda" not in kept:
            kept.pop("gpus", None)  # CEP 46: there is no __cuda_arch without __cuda
        target = replace(Target(platform), **kept, described=frozenset({"subdir", *kept}))
    if override_cuda is not None:
        target = _override_cuda(target, override_cuda)
    if glibc is not None:
        if _GLIBC.match(glibc) is None:
            raise UsageError(f"--glibc {glibc!r} is not a version of glibc", hint="Write it as --glibc 2.28.")
        target = replace(target, glibc=glibc, described=target.described | {"glibc"})
    if no_gpu:
        given = target.described | {"gpus", "driver_version"}
        return replace(
            target, driver_version=None, driver_cuda=None, gpus=(), compat=False, nvidia_traces=(), described=given
        )
    if driver is not None:
        with _reading("--driver", "write it as nvidia-smi shows it: 550.54.14, or 550"):
            version = DriverVersion.parse(driver)
            ceiling = driver_ceiling(version)
        given = target.described | {"driver_version"}
        target = replace(target, driver_version=version, driver_cuda=ceiling, compat=False, described=given)
    with _reading("--gpu", "give its name as nvidia-smi shows it, or its architecture: --cuda-arch 8.6"):
        named = tuple(map(parse_gpu, gpus))
    with _reading("--cuda-arch", "an H100's is 9.0, a T4's 7.5; or name the GPU: --gpu h100"):
        capabilities = tuple(map(ComputeCapability.parse, cuda_archs))
    named += tuple(Gpu(name=None, compute_capability=c, tegra=is_tegra(c)) for c in capabilities)
    if named:
        target = replace(target, gpus=named, described=target.described | {"gpus"})
    return target

"""The driver's side of a verdict: does this driver take code of this toolkit, and how well."""

from __future__ import annotations

from functools import lru_cache

from envkit.cuda.drivers import (
    at_least,
    driver_ceiling,
    forward_compat_branches,
    is_beyond_tables,
    min_driver,
    minor_compat_min,
    os_of,
)
from envkit.cuda.gpus import gpu_kind
from envkit.models.build import Tier
from envkit.models.codes.reasons import (
    CUDA_COMPAT,
    DRIVER_COVERS_TOOLKIT,
    DRIVER_NEWER_THAN_TABLES,
    DRIVER_TOO_OLD,
    DRIVER_UNKNOWN,
    FORWARD_COMPAT_POSSIBLE,
    MINOR_COMPATIBILITY,
    NO_GPU,
)
from envkit.models.fact import Reason
from envkit.models.host import Gpu, Target
from envkit.models.version import CudaVersion, DriverVersion
from envkit.tuples import NamedTuple


class DriverVerdict(NamedTuple):
    """The best tier that the driver allows (``native``, ``minor``, ``compat``, ``unknown`` or ``no``), and why."""

    tier: Tier
    reasons: tuple[Reason, ...]


@lru_cache(maxsize=1024)
def ceiling_of(target: Target) -> CudaVersion | None:
    """Return the newest CUDA of the target's driver; from the driver's version where a flag gave only that."""
    if target.driver_cuda is not None:
        return target.driver_cuda
    if target.driver_version is not None and "driver_version" in target.described:
        try:
            return driver_ceiling(target.driver_version)
        except ValueError:
            return None
    return None


def wants_cuda(target: Target) -> bool:
    """Return whether a choice for this target is about CUDA unless the user says otherwise."""
    return target.wants_cuda or bool(target.gpus) or ceiling_of(target) is not None


def needed_driver(build_cuda: CudaVersion, subdir: str) -> DriverVersion:
    """Return the least driver that runs a build of this toolkit, by minor-version compatibility if need be."""
    system = os_of(subdir)
    return minor_compat_min(build_cuda, system) or min_driver(build_cuda, system)


def _forward_compat(build_cuda: CudaVersion, driver: DriverVersion | None, gpus: tuple[Gpu, ...]) -> Reason | None:
    if driver is None or not gpus or driver.branch not in forward_compat_branches(build_cuda):
        return None
    if any(gpu_kind(gpu.name) not in {"datacenter", "tegra"} for gpu in gpus):
        return None
    package = f"cuda-compat-{build_cuda.major}-{build_cuda.minor}"
    return Reason(FORWARD_COMPAT_POSSIBLE, package=package, branch=driver.branch, build_cuda=build_cuda)


def _too_old(build_cuda: CudaVersion, target: Target) -> DriverVerdict:
    reasons = [
        Reason(
            DRIVER_TOO_OLD,
            build_cuda=build_cuda,
            needed=needed_driver(build_cuda, target.subdir),
            driver=target.driver_version,
            ceiling=ceiling_of(target),
            described=bool(target.described),
        )
    ]
    compat = _forward_compat(build_cuda, target.driver_version, target.gpus)
    if compat is not None:
        reasons.append(compat)
    return DriverVerdict(Tier.NO, tuple(reasons))


def _beyond(target: Target) -> tuple[Reason, ...]:
    driver = target.driver_version
    if driver is None or not is_beyond_tables(driver) or target.tegra:
        return ()
    return (Reason(DRIVER_NEWER_THAN_TABLES, branch=driver.branch, ceiling=ceiling_of(target)),)


def _no_ceiling(build_cuda: CudaVersion, target: Target) -> DriverVerdict:
    if target.gpus and target.driver_version is None:
        needed = needed_driver(build_cuda, target.subdir)
        return DriverVerdict(Tier.UNKNOWN, (Reason(DRIVER_UNKNOWN, build_cuda=build_cuda, needed=needed),))
    return DriverVerdict(Tier.NO, (Reason(NO_GPU),))


@lru_cache(maxsize=4096)
def judge_driver(build_cuda: CudaVersion, target: Target, *, major_only: bool = False) -> DriverVerdict:
    """Judge a toolkit by the target's driver.

    Args:
        major_only: Only the major is known; then it is taken for the newest of that major, and minor compatibility for
            granted.
    """
    ceiling = ceiling_of(target)
    if ceiling is None:
        return _no_ceiling(build_cuda, target)
    if target.compat and target.driver_version is not None and not target.tegra:
        return _judge_compat(build_cuda, target, ceiling)
    if ceiling >= build_cuda and not (major_only and ceiling.major == build_cuda.major):
        covers = Reason(DRIVER_COVERS_TOOLKIT, ceiling=ceiling, build_cuda=build_cuda)
        return DriverVerdict(Tier.NATIVE, (covers, *_beyond(target)))
    minimum = minor_compat_min(build_cuda, os_of(target.subdir))
    # Tegra has its own drivers: neither the table of minimums nor desktop's minor-version compatibility is for it.
    if minimum is None or ceiling.major < build_cuda.major or target.tegra:
        return _too_old(build_cuda, target)
    if target.driver_version is not None and not at_least(target.driver_version, minimum):
        return _too_old(build_cuda, target)
    facts = {"build_cuda": build_cuda, "major_only": major_only, "ceiling": ceiling, "minimum": minimum}
    return DriverVerdict(Tier.MINOR, (Reason(MINOR_COMPATIBILITY, **facts), *_beyond(target)))


def _judge_compat(build_cuda: CudaVersion, target: Target, ceiling: CudaVersion) -> DriverVerdict:
    """Judge with the ceiling of cuda-compat's libcuda; builds that the kernel driver covers alone are not `compat`."""
    if ceiling < build_cuda and ceiling.major != build_cuda.major:
        return _too_old(build_cuda, target)
    driver = target.driver_version
    try:
        own = driver_ceiling(driver) if driver is not None else None
    except ValueError:
        own = None
    if own is not None and own >= build_cuda:
        covers = Reason(DRIVER_COVERS_TOOLKIT, ceiling=own, build_cuda=build_cuda, kernel_alone=True)
        return DriverVerdict(Tier.NATIVE, (covers,))
    return DriverVerdict(Tier.COMPAT, (Reason(CUDA_COMPAT, ceiling=ceiling, driver=driver),))

"""From the host and the user's flags to the machine that a choice is made for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from envkit.cuda.drivers import driver_ceiling
from envkit.cuda.gpus import parse_gpu
from envkit.models.host import Gpu, Host, Target
from envkit.models.version import ComputeCapability, CudaVersion, DriverVersion

__all__ = ["TargetRequest", "describe_target"]


@dataclass(frozen=True, slots=True)
class TargetRequest:
    """The flags that describe another machine; None and empty where the user gave none.

    Attributes:
        platform: ``--platform``.
        driver: ``--driver``: ``550.54.14``, or ``550`` for the branch.
        gpus: ``--gpu``, each as people write it.
        cuda_arch: ``--cuda-arch``: a compute capability.
        glibc: ``--glibc``.
        no_gpu: ``--no-gpu``.
        driver_cuda: A ceiling that stands for the driver's (condarc's ``override_virtual_packages``).
    """

    platform: str | None = None
    driver: str | None = None
    gpus: tuple[str, ...] = ()
    cuda_arch: str | None = None
    glibc: str | None = None
    no_gpu: bool = False
    driver_cuda: str | None = None


def describe_target(host: Host, wanted: TargetRequest) -> Target:
    """The target: the host itself, with what the flags say in place of what was detected.

    A described driver or GPU takes the place of all that the host has of them: half of one machine and half of
    another would be no machine at all.

    Raises:
        ValueError: A flag's value cannot be read; the message says which and what may stand there.
    """
    base = Target.from_host(host)
    described: set[str] = set()
    subdir = base.subdir
    if wanted.platform is not None and wanted.platform != base.subdir:
        subdir = wanted.platform
        described.add("subdir")
    same = subdir == base.subdir
    glibc = wanted.glibc or (base.glibc if same else None)
    if wanted.glibc:
        described.add("glibc")
    gpus = _gpus(wanted)
    driver_version = DriverVersion.parse(wanted.driver) if wanted.driver else None
    driver_cuda: CudaVersion | None = None
    if wanted.no_gpu:
        described |= {"gpus", "driver_version", "driver_cuda"}
    elif gpus or driver_version is not None:
        if driver_version is not None:
            driver_cuda = driver_ceiling(driver_version)
            described |= {"driver_version", "driver_cuda"}
        elif same and base.driver_cuda is not None:
            driver_version, driver_cuda = base.driver_version, base.driver_cuda
        if gpus:
            described.add("gpus")
    elif same:
        driver_version, driver_cuda, gpus = base.driver_version, base.driver_cuda, base.gpus
    if wanted.driver_cuda and not wanted.no_gpu and driver_version is None:
        driver_cuda = CudaVersion.parse(wanted.driver_cuda)
        described.add("driver_cuda")
    return Target(
        subdir=subdir,
        glibc=glibc,
        microarch=base.microarch if same else None,
        osx=base.osx if same else None,
        driver_version=driver_version,
        driver_cuda=driver_cuda,
        gpus=gpus,
        compat=base.compat and not described & {"driver_version", "gpus"},
        mps=base.mps if same else subdir == "osx-arm64",
        described=frozenset(described),
        nvidia_traces=() if described & {"gpus", "driver_version", "driver_cuda", "subdir"} else base.nvidia_traces,
    )


def _gpus(wanted: TargetRequest) -> tuple[Gpu, ...]:
    gpus: Sequence[Gpu] = [parse_gpu(name) for name in wanted.gpus]
    if wanted.cuda_arch is not None:
        gpus = [*gpus, Gpu(name=None, compute_capability=ComputeCapability.parse(wanted.cuda_arch))]
    if wanted.no_gpu and gpus:
        raise ValueError("--no-gpu and --gpu contradict each other")
    return tuple(gpus)

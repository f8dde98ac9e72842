"""Hosts, and the targets that a choice is made for."""

from __future__ import annotations

import json
from collections.abc import Mapping

from envkit.models.version import ComputeCapability, CudaVersion, DriverVersion
from envkit.values import dataclass, field

OVERRIDES = {
    "driver_cuda": "CONDA_OVERRIDE_CUDA",
    "gpus": "CONDA_OVERRIDE_CUDA_ARCH",
    "glibc": "CONDA_OVERRIDE_GLIBC",
    "microarch": "CONDA_OVERRIDE_ARCHSPEC",
    "osx": "CONDA_OVERRIDE_OSX",
    "linux": "CONDA_OVERRIDE_LINUX",
    "win": "CONDA_OVERRIDE_WIN",
}
"""Attribute of `Host` to the variable that replaces it."""

PLATFORMS = ("linux-64", "linux-aarch64", "osx-arm64", "osx-64", "win-64", "linux-ppc64le")
"""Platforms that a target may have, by conda's names."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU, or one MIG instance of it."""

    name: str | None
    compute_capability: ComputeCapability | None
    memory_bytes: int | None = None
    uuid: str | None = None
    mig: bool = False
    tegra: bool = False


@dataclass(frozen=True, slots=True)
class Host:
    """The facts that decide what a machine can run; every fact has its origin in `sources`.

    Attributes:
        subdir: conda's name of the platform, such as ``linux-64``.
        glibc: ``"2.36"``, or None where the C library is another.
        microarch: archspec name, such as ``x86_64_v3``.
        osx: macOS version, or None.
        linux: Version of the Linux kernel, or None.
        win: Version of Windows; only where a variable gives it.
        driver_version: The NVIDIA driver of the running kernel (on WSL the Windows one; on Jetson the L4T one).
        driver_cuda: The newest CUDA that the user-mode driver supports (``cuDriverGetVersion``).
        gpus: The GPUs that CUDA can use here. Empty is a fact, not an error.
        compat: Whether libcuda is a forward-compatibility one (cuda-compat).
        toolkits: CUDA toolkits found on disk: path to version. They decide nothing.
        container: Kind of container, or None.
        wsl: Whether this is WSL 2.
        jetson: L4T release, or None.
        mps: Whether Apple's Metal can be used.
        nvidia_traces: Signs of NVIDIA without a usable GPU: a loaded module, NVIDIA_* or Slurm variables.
        overridden: Attributes that CONDA_OVERRIDE_* replaced (CEP 30, CEP 46).
        sources: Name of a fact to where it came from.
        notes: What disagrees, and what was ignored, in words.
    """

    subdir: str
    glibc: str | None = None
    microarch: str | None = None
    osx: str | None = None
    linux: str | None = None
    win: str | None = None
    driver_version: DriverVersion | None = None
    driver_cuda: CudaVersion | None = None
    gpus: tuple[Gpu, ...] = ()
    compat: bool = False
    toolkits: Mapping[str, str] = field(default_factory=dict)
    container: str | None = None
    wsl: bool = False
    jetson: str | None = None
    mps: bool = False
    nvidia_traces: tuple[str, ...] = ()
    overridden: frozenset[str] = frozenset()
    sources: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Twelve hex digits of what decides whether an environment made here runs there.

        Driver, set of compute capabilities, MIG mode, glibc and microarchitecture; never boot id, UUID or host name.
        """
        facts = {
            "driver": str(self.driver_version) if self.driver_version else None,
            "driver_cuda": str(self.driver_cuda) if self.driver_cuda else None,
            "compute_capabilities": sorted({str(g.compute_capability) for g in self.gpus}),
            "mig": any(g.mig for g in self.gpus),
            "glibc": self.glibc,
            "microarch": self.microarch,
            "subdir": self.subdir,
        }
        import hashlib

        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Target:
    """The machine that a choice is made for: the detected host, or one described by flags.

    Attributes:
        subdir: conda's name of the platform.
        glibc: ``"2.36"`` or None when unknown.
        microarch: archspec name or None when unknown.
        osx: macOS version or None.
        linux: Version of the Linux kernel or None when unknown.
        win: Version of Windows or None when unknown.
        driver_version: The driver; one with fewer than three numbers means the branch.
        driver_cuda: The driver's ceiling.
        gpus: GPUs by kind. With a driver and no GPU the architecture is open: builds are judged by driver alone.
        compat: Whether libcuda is a forward-compatibility one.
        mps: Whether Apple's Metal can be used.
        described: Which facts flags gave, rather than the machine (names of attributes).
        nvidia_traces: Signs of NVIDIA without a usable GPU, as in `Host`.
    """

    subdir: str
    glibc: str | None = None
    microarch: str | None = None
    osx: str | None = None
    linux: str | None = None
    win: str | None = None
    driver_version: DriverVersion | None = None
    driver_cuda: CudaVersion | None = None
    gpus: tuple[Gpu, ...] = ()
    compat: bool = False
    mps: bool = False
    described: frozenset[str] = frozenset()
    nvidia_traces: tuple[str, ...] = ()

    @property
    def tegra(self) -> bool:
        """Whether it is a Jetson or its like, whose drivers and code differ from those of other machines."""
        return any(gpu.tegra for gpu in self.gpus)

    @classmethod
    def from_host(cls, host: Host) -> Target:
        """Take the host itself as the target."""
        names = (
            "subdir", "glibc", "microarch", "osx", "linux", "win", "driver_version", "gpus", "compat", "mps",
            "nvidia_traces",
        )  # fmt: skip
        same = {name: getattr(host, name) for name in names}
        # An override speaks for a machine whose GPUs are not here to be seen (CEP 30).
        ceiling = host.driver_cuda if host.gpus or "driver_cuda" in host.overridden else None
        return cls(**same, driver_cuda=ceiling, described=host.overridden)

    @property
    def wants_cuda(self) -> bool:
        """Whether a choice for this target is a CUDA choice unless the user says otherwise."""
        return self.driver_cuda is not None


@dataclass(frozen=True, slots=True)
class MachineKind:
    """Machines that are alike."""

    names: tuple[str, ...]  # their names, in order
    target: Target  # what each of them is

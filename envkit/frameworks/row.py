"""The shape of a row: everything that differs between one framework and another."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from envkit.tuples import NamedTuple


class RuntimeCompiler(NamedTuple):
    """A compiler that a framework brings along, so that minor-version compatibility of the driver is enough for it.

    Attributes:
        name: What compiles, such as Triton.
        tool: What writes the machine code: ptxas or NVRTC.
        slower: Whether it compiles more slowly where the driver is older than itself.
    """

    name: str
    tool: str
    slower: bool


class PackageLimit(NamedTuple):
    """A package that breaks a framework from some version on, which no record says.

    Attributes:
        channel: Of the framework's builds that break.
        fixed_in: The framework's first version that works with any.
        package: What breaks it.
        below: Its first version that does.
        symbol: The undefined symbol of the ImportError.
    """

    channel: str
    fixed_in: str
    package: str
    below: str
    symbol: str


class FrameworkRow(NamedTuple):
    """A framework as conda channels publish it and as Python sees it.

    Attributes:
        key: Its name in envkit: of its builds (`Build.framework`), its checks and its probe.
        title: Its name as people write it.
        module: What is imported.
        packages: All packages that belong to it.
        compiled: The package whose builds differ by CUDA, which is the one to choose: ``jaxlib`` of JAX.
        wrappers: Packages around the compiled one that people ask for instead.
        picked: The package to choose where that is not `compiled`; ``*`` for the one that was asked for.
        core: Packages with compiled code: one without any sign of CUDA is a CPU build.
        stubs: Packages without code, which only steer a solver.
        cpu_packages: Packages that mean the CPU build.
        cuda_packages: Packages that mean the CUDA build.
        cuda_variants: Specs that only CUDA builds match.
        toolkit: The package whose version is that of the toolkit of its CUDA builds.
        always_cuda: Packages that exist for CUDA alone.
        math_is_cpu: Whether a build string that names a CPU library (``mkl``) means a CPU build.
        metal_since: The first version whose builds for Apple silicon use Metal.
        channels: Channels besides conda-forge that publish it, its own first, then what that one needs.
        companions: By the channel of the chosen CUDA build, specs that keep what is around it on the same CUDA. They
            may name ``{version}``, ``{cuda}``, ``{major}`` and ``{minor}``.
        limits: Packages that break it.
        runtime_compiler: The compiler that it brings along.
        ptx_to_driver: Whether it hands PTX to the driver, which minor-version compatibility does not cover.
        cuda_files: Files below site-packages that only a CUDA build has, as globs.
        gpu_libraries: File names, as globs, of the libraries with its kernels: where one lacks a GPU, it does not run.
        wheels: Names on PyPI, as globs, of the wheels with these libraries, where they are not among `packages`.
        probe: The script in ``envkit/probes`` that runs it.
        collective: The script in ``envkit/probes`` that runs several of its processes together.
        nodes: The same for processes on several nodes; it forks after an import.
        cuda_fact: The fact of the probe's ``build`` that is true of CUDA builds; None where no fact tells.
        cuda_value: What `cuda_fact` contains in a CUDA build, where it is a list that other builds have, too.
        identity: What its build is: label and fact of the probe's ``build``.
        gpu_is_optional: Whether many use it for the CPU alone. Then its CPU build is not refused where CUDA was asked
            for, and that it does not reach the GPU only warns.
    """

    key: str
    title: str
    module: str
    packages: tuple[str, ...]
    compiled: str
    probe: str | None
    wrappers: tuple[str, ...] = ()
    picked: str | None = None
    core: tuple[str, ...] = ()
    stubs: tuple[str, ...] = ()
    cpu_packages: tuple[str, ...] = ()
    cuda_packages: tuple[str, ...] = ()
    cuda_variants: tuple[str, ...] = ()
    toolkit: str | None = None
    always_cuda: tuple[str, ...] = ()
    math_is_cpu: bool = False
    metal_since: str | None = None
    channels: tuple[str, ...] = ()
    companions: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    limits: tuple[PackageLimit, ...] = ()
    runtime_compiler: RuntimeCompiler | None = None
    ptx_to_driver: bool = False
    cuda_files: tuple[str, ...] = ()
    gpu_libraries: tuple[str, ...] = ()
    wheels: tuple[str, ...] = ()
    collective: str | None = None
    nodes: str | None = None
    cuda_fact: str | None = "cuda"
    cuda_value: str | None = None
    identity: tuple[tuple[str, str], ...] = ()
    gpu_is_optional: bool = False

    def choice(self, name: str) -> str:
        """Return the package to choose a build of where `name`, one of `packages`, was asked for."""
        return name if self.picked == "*" else self.picked or self.compiled

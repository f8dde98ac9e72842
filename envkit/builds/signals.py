"""Signals: statements of a dependency or constraint about the package that carries it."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from envkit.builds.buildstring import parse_build_string
from envkit.builds.dependency import VersionBounds, version_bounds
from envkit.builds.families import is_cuda_library
from envkit.frameworks.table import TOOLKIT_PACKAGES
from envkit.models.build import Variant
from envkit.models.spec import MatchSpec, parse_match_spec
from envkit.models.version import CudaVersion
from envkit.tuples import NamedTuple

_RUNTIME = ("cuda-cudart", "cuda-nvrtc", "cuda-cupti", "cuda-nvtx", "cuda-runtime", "cuda-libraries")
_SELECTORS: dict[str, dict[str, Variant]] = {
    "_tflow_select": {"2.1.0": "cuda", "2.2.0": "cpu", "2.3.0": "cpu", "1.1.0": "cuda", "1.2.0": "cpu", "1.3.0": "cpu"},
    "_pytorch_select": {"0.2": "cuda", "0.2.*": "cuda", "0.1": "cpu", "0.1.*": "cpu", "1.1.0": "cpu", "1.2.0": "cuda"},
}


Kind = Literal[
    "toolkit",  # pytorch-cuda, cuda-version, cudatoolkit: bounds on the toolkit
    "runtime",  # a library whose version follows the toolkit's
    "variant",  # a mutex, a selector, the build string of a dependency
    "driver",  # __cuda
    "arch",  # __cuda_arch, cuda-arch
    "python",
    "glibc",
    "osx",
    "microarch",
    "arm",
    "platform",
]
"""The subjects of signals."""


class Signal(NamedTuple):
    """One fact from one dependency."""

    kind: Kind  # what it is about
    text: str  # the dependency, as evidence
    name: str  # the package that it names
    spec: str = "*"  # its version spec, ``"*"`` where it has none
    variant: Variant | None = None  # what it says about the variant
    cuda: CudaVersion | None = None  # the toolkit that a dependency's build string names
    bounds: VersionBounds = VersionBounds(None, None)  # the range of `spec`, for toolkits and Python
    level: int | None = None  # microarchitecture level


def _level(spec: str, build: str | None) -> int | None:
    """Read the x86-64 level of ``_x86_64-microarch-level >=3`` or of ``__archspec 1.* x86_64_v3``."""
    if build is not None:
        text = build.rstrip("*")
        return int(text[-1]) if text.startswith("x86_64_v") and text[-1].isdigit() else None
    bounds = version_bounds(spec)
    return bounds.low.major if bounds.low else None


def _platform_signal(text: str, spec: MatchSpec) -> Signal | None:
    """Read a virtual package, or a package that stands for one."""
    name, build, version = spec.name, spec.build, spec.version or "*"
    if name == "__cuda":
        return Signal("driver", text, name, version, "cuda", bounds=version_bounds(version))
    if name in {"__cuda_arch", "cuda-arch"}:  # each version of cuda-arch is constrained to one of __cuda_arch
        return Signal("arch", text, name, version, "cuda")
    if name in {"python", "python_abi"}:
        return Signal("python", text, name, version, bounds=version_bounds(version))
    if name == "__glibc":
        return Signal("glibc", text, name, version)
    if name in {"__osx", "__win", "__linux"}:
        kind: Kind = "osx" if name == "__osx" and spec.version is not None else "platform"
        return Signal(kind, text, name, version)
    if name in {"__archspec", "_x86_64-microarch-level"}:
        return Signal("microarch", text, name, version, level=_level(version, build))
    if name == "arm-variant" and build is not None:
        return Signal("arm", text, name, build)
    return None


def _cuda_signal(text: str, spec: MatchSpec) -> Signal | None:
    """Read a package that carries CUDA, or that chooses between CPU and CUDA."""
    name, build, version = spec.name, spec.build, spec.version or "*"
    if name in TOOLKIT_PACKAGES:
        return Signal("toolkit", text, name, version, "cuda", bounds=version_bounds(version))
    if name in _SELECTORS:
        chosen = _SELECTORS[name].get(version.removeprefix("=="))
        return Signal("variant", text, name, version, chosen) if chosen else None
    if name == "pytorch-mutex":
        variants: dict[str, Variant] = {"cpu": "cpu", "cuda": "cuda"}
        return Signal("variant", text, name, version, variants.get(build or ""))
    if name == "cpuonly":
        return Signal("variant", text, name, version, "cpu")
    if is_cuda_library(name):
        kind: Kind = "runtime" if name in _RUNTIME else "variant"
        return Signal(kind, text, name, version, "cuda", bounds=version_bounds(version))
    if build is not None:
        said = parse_build_string(build)
        if said.variant is not None:
            return Signal("variant", text, name, version, said.variant, said.cuda if not said.cuda_major_only else None)
    if name.endswith("-gpu"):
        return Signal("variant", text, name, version, "cuda")
    if name.endswith("-cpu"):
        return Signal("variant", text, name, version, "cpu")
    return None


@lru_cache(maxsize=65536)
def read_dependency(text: str) -> Signal | None:
    """Read what a dependency says about the package that carries it; None when it says nothing."""
    spec = parse_match_spec(text)
    return _platform_signal(text, spec) or _cuda_signal(text, spec)


@lru_cache(maxsize=65536)
def read_constraint(text: str) -> Signal | None:
    """Read what a constraint says about the package that carries it.

    Weaker than a dependency: a package that only limits ``cuda-version`` (numba, ucx) need not be a CUDA build, one
    that limits ``__cuda`` is; ``cpuonly <0`` marks CUDA builds, and a pattern on another package's build its variant.
    """
    spec = parse_match_spec(text)
    platform = _platform_signal(text, spec)
    if platform is not None:
        if platform.name == "cuda-arch":
            return platform._replace(variant=None)
        return platform if platform.kind != "python" else None
    if spec.name == "cpuonly":
        return Signal("variant", text, spec.name, "<0", "cuda") if spec.version == "<0" else None
    if spec.name in TOOLKIT_PACKAGES:
        return Signal("toolkit", text, spec.name, spec.version or "*", bounds=version_bounds(spec.version or "*"))
    if spec.build is not None:
        said = parse_build_string(spec.build)
        if said.variant is not None:
            cuda = None if said.cuda_major_only else said.cuda
            return Signal("variant", text, spec.name, spec.version or "*", said.variant, cuda)
    return None

"""Contents: what an environment holds that can be tried, as its files and records show, without running anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from envkit.layout.health import InstalledPackage
from envkit.models.manifest import Manifest

__all__ = ["FRAMEWORKS", "Contents", "owners", "read_contents"]

FRAMEWORKS = ("torch", "tensorflow", "jax", "cupy", "onnxruntime", "numba")
"""Modules for which there is a probe."""

# Packages that say that an environment is meant for a GPU (facts of the channels conda-forge, pytorch and defaults).
_CUDA_PACKAGES = frozenset({"cuda-cudart", "cudatoolkit", "pytorch-cuda", "libcublas", "pytorch-gpu", "tensorflow-gpu"})
# What wheels for CUDA bring, below site-packages.
_CUDA_FILES = (
    "torch/lib/libtorch_cuda.so",
    "torch/lib/libtorch_cuda_cu.so",
    "nvidia/*/lib/libcudart.so.*",
    "onnxruntime/capi/libonnxruntime_providers_cuda.so",
    "jax_cuda1*_plugin",
    "cupy_backends/cuda",
)
_MODULES = {"pytorch": "torch", "pytorch-gpu": "torch", "pytorch-cpu": "torch", "pillow": "PIL", "pyyaml": "yaml"}


@dataclass(frozen=True, slots=True)
class Contents:
    """What can be tried.

    Attributes:
        python: The interpreter; None where there is none.
        modules: Names to import: those of what was asked for, else of the frameworks that are there.
        frameworks: Those of `FRAMEWORKS` that are installed.
        for_gpu: Whether it holds builds for NVIDIA GPUs.
    """

    python: Path | None
    modules: tuple[str, ...]
    frameworks: tuple[str, ...]
    for_gpu: bool


def read_contents(prefix: Path, packages: Sequence[InstalledPackage], manifest: Manifest | None) -> Contents:
    """Look into a prefix: conda, pixi or venv.

    Args:
        prefix: The environment.
        packages: What its records say; empty for a venv.
        manifest: What envkit knows of it, if it made it.
    """
    python = prefix / "bin" / "python"
    frameworks = tuple(name for name in FRAMEWORKS if _has(prefix, f"{name}/__init__.py"))
    if manifest is None:
        modules = (*(["numpy"] if _has(prefix, "numpy/__init__.py") else []), *frameworks)
    else:
        modules = _requested_modules(packages, manifest)
    chosen = manifest is not None and manifest.choice.get("variant") == "cuda"
    for_gpu = chosen or any(p.name in _CUDA_PACKAGES for p in packages) or any(_has(prefix, f) for f in _CUDA_FILES)
    return Contents(python if python.exists() else None, modules, frameworks, for_gpu)


def owners(packages: Sequence[InstalledPackage], module: str) -> frozenset[str]:
    """The packages that install a module."""
    ends = (f"site-packages/{module}/__init__.py", f"site-packages/{module}.py")
    return frozenset(p.name for p in packages if any(path.endswith(ends) for path, _, _ in p.paths))


def _has(prefix: Path, pattern: str) -> bool:
    return any(prefix.glob(f"lib/python3*/site-packages/{pattern}"))


def _requested_modules(packages: Sequence[InstalledPackage], manifest: Manifest) -> tuple[str, ...]:
    requested = {_spec_name(spec) for spec in manifest.request.specs}
    modules: list[str] = []
    for package in packages:
        if package.name in requested:
            modules += [m for m in _modules_of(package) if m not in modules]
    return tuple(modules)


def _spec_name(spec: str) -> str:
    text = spec.rsplit("::", 1)[-1].strip()
    for index, char in enumerate(text):
        if not (char.isalnum() or char in "._-"):
            return text[:index].lower()
    return text.lower()


def _modules_of(package: InstalledPackage) -> list[str]:
    """The module that carries the package's name, else the first few public ones that it installs."""
    found: list[str] = []
    for path, _, _ in package.paths:
        _, marker, rest = path.partition("site-packages/")
        if not marker:
            continue
        parts = rest.split("/")
        module = parts[0] if len(parts) == 2 and parts[1] == "__init__.py" else None
        if len(parts) == 1 and parts[0].endswith((".py", ".so")):
            module = parts[0].split(".", 1)[0]
        if module and module.isidentifier() and not module.startswith("_") and module not in found:
            found.append(module)
    wanted = _MODULES.get(package.name, package.name.replace("-", "_"))
    exact = [module for module in found if module.lower() == wanted.lower()]
    return exact or found[:3]

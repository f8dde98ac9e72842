"""Builds from source in an environment: what they see of it, and where their log is kept."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from envkit.layout.atomic import write_atomic
from envkit.models.manifest import PipPackage
from envkit.models.pip import Provided
from envkit.models.version import ComputeCapability

LOG_NAME = "pip-build.log"

# Frameworks that extensions are compiled against: the installed one, not another that an isolated build would fetch.
_FRAMEWORKS = frozenset({"cupy", "jax", "jaxlib", "paddlepaddle", "tensorflow", "torch"})
# Projects whose builds compile CUDA code, by their own build instructions.
_CUDA_PROJECTS = frozenset({
    "apex", "auto-gptq", "causal-conv1d", "clip-cpp", "deepspeed", "detectron2", "diff-gaussian-rasterization",
    "diff-surfel-rasterization", "exllamav2", "flash-attn", "gsplat", "mamba-ssm", "minkowskiengine", "nvdiffrast",
    "pytorch3d", "simple-knn", "spconv", "tinycudann", "torch-cluster", "torch-scatter", "torch-sparse",
    "torch-spline-conv", "torchsparse", "transformer-engine", "vllm", "xformers",
})  # fmt: skip


def shares_framework(names: Iterable[str]) -> bool:
    """Return whether builds have to see the environment that they are for: it has a framework that they may extend."""
    return not _FRAMEWORKS.isdisjoint(names)


def compiles_cuda(packages: Sequence[PipPackage]) -> list[str]:
    """Return the packages that are built from source and compile CUDA code, as far as it is known before."""
    return [package.name for package in packages if package.kind != "wheel" and package.name in _CUDA_PROJECTS]


def build_variables(prefix: Path, gpus: Sequence[ComputeCapability]) -> dict[str, str]:
    """Return the variables of a build in an environment.

    Its own nvcc and compilers come first; extensions of PyTorch are compiled for these GPUs alone
    (https://docs.pytorch.org/docs/stable/cpp_extension.html).
    """
    found = {"PATH": os.pathsep.join([str(prefix / "bin"), os.environ.get("PATH", os.defpath)])}
    if (prefix / "bin" / "nvcc").exists():
        found["CUDA_HOME"] = str(prefix)
        # conda-forge's headers and libraries of CUDA lie below targets/ (cuda-nvcc-feedstock).
        targets = sorted(prefix.glob("targets/*-linux"))
        if targets:
            found["CPATH"] = os.pathsep.join(str(target / "include") for target in targets)
            found["LIBRARY_PATH"] = os.pathsep.join(str(target / "lib") for target in targets)
    if gpus:
        found["TORCH_CUDA_ARCH_LIST"] = ";".join(str(gpu) for gpu in sorted(set(gpus)))
    for variable, name in (("CC", "cc"), ("CXX", "c++")):
        compiler = next(iter(sorted(prefix.glob(f"bin/*-conda-linux-gnu-{name}"))), None)
        if compiler is not None:
            found[variable] = str(compiler)
    return found


def build_key(there: Iterable[Provided], python: str, gpus: Sequence[ComputeCapability]) -> str:
    """Return a key of what a build sees: the frameworks, the Python and the GPUs that it is for."""
    seen = sorted(f"{item.name}=={item.version}" for item in there if item.name in _FRAMEWORKS)
    return hashlib.sha256("\n".join([python, *map(str, gpus), *seen]).encode()).hexdigest()[:16]


def keep_log(folder: Path, text: str) -> Path:
    """Keep the log of a build; return where."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOG_NAME
    write_atomic(path, text, durable=False)
    return path

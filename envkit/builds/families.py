"""Which packages belong to which framework, and what channels are called. The names are in ``data/families.json``."""

from __future__ import annotations

import json
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

__all__ = [
    "GPU_FRAMEWORKS",
    "TOOLKIT_PACKAGES",
    "channel_name",
    "framework_of_package",
    "is_core",
    "is_cuda_library",
]

GPU_FRAMEWORKS = ("pytorch", "tensorflow", "jax", "mxnet", "cupy", "onnxruntime", "faiss", "xgboost")
"""Frameworks whose builds differ by CUDA."""

TOOLKIT_PACKAGES = ("pytorch-cuda", "cuda-version", "cudatoolkit")
"""Packages whose version is that of a toolkit, the most telling first."""

_SUBDIRS = frozenset({"linux-64", "linux-aarch64", "osx-64", "osx-arm64", "win-64", "noarch"})


@cache
def _table() -> dict[str, Any]:
    text = (files("envkit.builds") / "data" / "families.json").read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)
    return table


@cache
def _frameworks() -> dict[str, str]:
    return {name: framework for framework, names in _table()["members"].items() for name in names}


@cache
def _core() -> frozenset[str]:
    return frozenset(_table()["core"])


@cache
def _cuda_libraries() -> frozenset[str]:
    return frozenset(_table()["cuda_libraries"])


@lru_cache(maxsize=16384)
def framework_of_package(name: str) -> str | None:
    """The framework that a package belongs to; None for any other."""
    return _frameworks().get(name)


def is_core(name: str) -> bool:
    """Whether a package holds a framework's compiled code: without any sign of CUDA it is a CPU build."""
    return name in _core()


def is_cuda_library(name: str) -> bool:
    """Whether a package is a part of CUDA itself, so that whoever depends on it is a CUDA build."""
    return name in _cuda_libraries()


@lru_cache(maxsize=4096)
def channel_name(channel: str) -> str:
    """The short name of a channel: ``conda-forge`` of any mirror, ``pytorch``, ``nvidia``, ``pkgs/main``."""
    parts = [part for part in channel.split("::", 1)[0].split("/") if part]
    if len(parts) > 1 and parts[-1] in _SUBDIRS:
        parts.pop()
    if not parts:
        return ""
    if len(parts) > 1 and parts[-2] == "pkgs":
        return f"pkgs/{parts[-1]}"
    return {"defaults": "pkgs/main", "main": "pkgs/main"}.get(parts[-1], parts[-1])

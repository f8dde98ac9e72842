"""Packages that are parts of CUDA itself, and the short names of channels."""

from __future__ import annotations

from functools import cache, lru_cache

from envkit.cuda.tables import load_table

_SUBDIRS = frozenset({"linux-64", "linux-aarch64", "osx-64", "osx-arm64", "win-64", "noarch"})


@cache
def _cuda_packages() -> frozenset[str]:
    return frozenset(load_table("cuda_packages", "envkit.builds")["cuda_packages"])


def is_cuda_library(name: str) -> bool:
    """Return whether a package is a part of CUDA, so that a build that depends on it is a CUDA build."""
    return name in _cuda_packages()


@lru_cache(maxsize=4096)
def channel_name(channel: str) -> str:
    """Return the short name of a channel: ``conda-forge`` of any mirror, ``pytorch``, ``nvidia``, ``pkgs/main``."""
    parts = [part for part in channel.split("::", 1)[0].split("/") if part]
    if len(parts) > 1 and parts[-1] in _SUBDIRS:
        parts.pop()
    if not parts:
        return ""
    if len(parts) > 1 and parts[-2] == "pkgs":
        return f"pkgs/{parts[-1]}"
    return {"defaults": "pkgs/main", "main": "pkgs/main"}.get(parts[-1], parts[-1])

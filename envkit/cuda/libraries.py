"""CUDA's libraries (cuBLAS, cuDNN): which GPUs they have code for."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from envkit.cuda.tables import covers, load_table
from envkit.models.version import ComputeCapability, CudaVersion
from envkit.tuples import NamedTuple

LIBRARY_NAMES = frozenset({"cudnn", "libcudnn", "libcublas"})
"""The packages that these rules are about."""


class DroppedGpu(NamedTuple):
    """The first version of a library without code for older GPUs, and the lowest architecture that it still serves."""

    first: CudaVersion
    lowest: ComputeCapability


@lru_cache(maxsize=1024)
def libraries_need_toolkit(capability: ComputeCapability) -> tuple[CudaVersion, bool] | None:
    """Return the first toolkit whose cuBLAS and cuDNN have code for an architecture, where that is a known trap.

    With it, whether a build of an older toolkit can still use the newer libraries when they come as packages.
    """
    for row in load_table("libraries")["lacks"]:
        if covers(row, capability, "gpu_from", "gpu_to"):
            return CudaVersion.parse(row["below_toolkit"]), bool(row["separate_may_be_newer"])
    return None


@lru_cache(maxsize=1024)
def dropped_by_library(
    name: str, version: tuple[int, int], cuda_major: int, capability: ComputeCapability
) -> DroppedGpu | None:
    """Return the rule by which a library's builds for one CUDA major have lost an architecture, if one has."""
    for row in load_table("libraries")["dropped"]:
        first = CudaVersion.parse(row["from"])
        if (
            name in row["names"]
            and version >= first
            and cuda_major == row["cuda_major"]
            and capability < ComputeCapability.parse(row["below"])
        ):
            return DroppedGpu(first, ComputeCapability.parse(row["below"]))
    return None


def library_constraints(
    cuda_major: int, oldest: ComputeCapability, newest: ComputeCapability
) -> Iterator[tuple[str, str]]:
    """Yield the specs that keep libraries for one CUDA major at versions with code for GPUs, each with the reason."""
    table = load_table("libraries")
    for row in table["dropped"]:
        if cuda_major == row["cuda_major"] and oldest < ComputeCapability.parse(row["below"]):
            why = f"{row['library']} {row['from']} and newer for CUDA {cuda_major} have no code for {oldest}"
            yield from ((f"{name} <{row['from']}", why) for name in row["names"])
    for row in table["lacks"]:
        first = CudaVersion.parse(row["below_toolkit"])
        if cuda_major == first.major and newest >= ComputeCapability.parse(row["gpu_from"]):
            why = f"{row['libraries']} before CUDA {first} have no code for {newest}"
            yield f"{row['limited_by']} >={first},<{first.major + 1}", why


@lru_cache(maxsize=1024)
def library_min_version(name: str, capability: ComputeCapability) -> CudaVersion | None:
    """Return the first ``major.minor`` of a library with code for an architecture, where a row says so."""
    for row in load_table("libraries")["cudnn_for_gpu"]:
        if name in row["names"] and covers(row, capability, "gpu_from", "gpu_to"):
            return CudaVersion.parse(row["below"])
    return None

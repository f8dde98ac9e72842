"""Architectures: what a toolkit compiles for, and which code runs on which GPU."""

from __future__ import annotations

from bisect import bisect_right
from functools import cache, lru_cache

from envkit.cuda.tables import covers, last_known_toolkit, load_table
from envkit.models.gpucode import Architecture
from envkit.models.host import Gpu
from envkit.models.version import ComputeCapability, CudaVersion, DriverVersion
from envkit.patterns import regex

_ARCH = regex(r"(?:(?:sm|compute)_?(\d{2,3})|(\d{1,2})\.(\d))([af]?)\Z")


@lru_cache(maxsize=256)
def parse_arch(text: str) -> Architecture:
    """Read ``sm_90a``, ``compute_86`` or ``10.0f``.

    Raises:
        ValueError: The text is none of these.
    """
    match = _ARCH.match(text.strip().lower())
    if match is None:
        raise ValueError(f"not an architecture: {text!r} (write it as 8.6, sm_86 or compute_86)")
    sm, major, minor, suffix = match.groups()
    capability = ComputeCapability.from_sm(int(sm)) if sm else ComputeCapability(int(major), int(minor))
    return Architecture(capability, suffix)


@cache
def _tegra() -> frozenset[ComputeCapability]:
    return frozenset(
        ComputeCapability.parse(text) for row in load_table("archs")["tegra"] for text in row["compute_capabilities"]
    )


def is_tegra(capability: ComputeCapability) -> bool:
    """Return whether an architecture exists only in Jetson and its like."""
    return _renamed(capability) in _tegra()


@cache
def _renames() -> dict[ComputeCapability, ComputeCapability]:
    return {
        ComputeCapability.parse(r["old"]): ComputeCapability.parse(r["new"]) for r in load_table("archs")["renamed"]
    }


def _renamed(capability: ComputeCapability) -> ComputeCapability:
    return _renames().get(capability, capability)


@cache
def _toolkit_archs() -> tuple[tuple[CudaVersion, ...], tuple[frozenset[ComputeCapability], ...]]:
    rows = sorted(load_table("archs")["toolkit_archs"], key=lambda row: CudaVersion.parse(row["from"]))
    return (
        tuple(CudaVersion.parse(row["from"]) for row in rows),
        tuple(frozenset(ComputeCapability.from_sm(sm) for sm in row["sm"]) for row in rows),
    )


def supported_archs(toolkit: CudaVersion) -> frozenset[ComputeCapability]:
    """Return architectures that a toolkit's compiler writes machine code for.

    A toolkit newer than the tables is taken to know what the newest known one knows; one older than 9.0 likewise the
    oldest. Source: ``ptxas --help`` of each release.
    """
    starts, archs = _toolkit_archs()
    return archs[max(bisect_right(starts, toolkit) - 1, 0)]


@cache
def known_capabilities() -> tuple[ComputeCapability, ...]:
    """Return every compute capability that a toolkit of the tables compiles for, in order."""
    return tuple(sorted(frozenset().union(*_toolkit_archs()[1])))


def dropped_by_toolkit(capability: ComputeCapability, toolkit: CudaVersion) -> bool:
    """Return whether a toolkit no longer knows an architecture because the architecture is too old for it."""
    return _renamed(capability) < min(supported_archs(toolkit))


def compiles_exactly(toolkit: CudaVersion, capability: ComputeCapability) -> bool:
    """Return whether a toolkit's compiler takes an architecture by its number, today's or the one it had before."""
    return _renamed(capability) in map(_renamed, supported_archs(toolkit))


def knows_arch(toolkit: CudaVersion, capability: ComputeCapability) -> bool:
    """Return whether a toolkit can write machine code that runs on a GPU of `capability`."""
    gpu = Gpu(name=None, compute_capability=capability)
    newer_than_tables = toolkit > last_known_toolkit() and capability > max(supported_archs(toolkit))
    return newer_than_tables or any(runs_sass(arch, gpu) for arch in supported_archs(toolkit))


def dropped_by_driver(capability: ComputeCapability, driver: DriverVersion) -> int | None:
    """Return the last driver branch for an architecture, if `driver` is newer than that."""
    for row in load_table("archs")["last_driver"]:
        if covers(row, capability):
            return int(row["branch"]) if driver.branch > row["branch"] else None
    return None


def first_branch(capability: ComputeCapability) -> int | None:
    """Return the first driver branch that drives an architecture, where the tables say so."""
    for row in load_table("archs")["first_driver"]:
        if covers(row, capability):
            return int(row["branch"])
    return None


@cache
def first_drivers() -> tuple[tuple[str, ComputeCapability, int], ...]:
    """Return architectures that came with a known driver branch: name, lowest compute capability, branch."""
    rows = load_table("archs")["first_driver"]
    return tuple((row["architecture"], ComputeCapability.parse(row["from"]), int(row["branch"])) for row in rows)


def runs_sass(sass: Architecture | ComputeCapability, gpu: Gpu) -> bool:
    """Return whether machine code for one architecture runs on a GPU.

    The rule (CUDA programming guide, binary compatibility): the same major, and a minor of the GPU that is no lower.
    Corrections: an ``a`` target is for exactly one GPU; Tegra takes exactly its own code, and no other GPU takes that;
    ``sm_101`` of CUDA 12 is ``sm_110`` of CUDA 13.
    """
    if gpu.compute_capability is None:
        return False
    arch = sass if isinstance(sass, Architecture) else Architecture(sass)
    code, device = _renamed(arch.capability), _renamed(gpu.compute_capability)
    if arch.suffix == "a" or gpu.tegra or device in _tegra() or code in _tegra():
        return code == device
    return code.major == device.major and code.minor <= device.minor


def fits_ptx(ptx: Architecture | ComputeCapability, gpu: Gpu) -> bool:
    """Return whether PTX is for this GPU or an earlier one, whatever the driver."""
    if gpu.compute_capability is None:
        return False
    arch = ptx if isinstance(ptx, Architecture) else Architecture(ptx)
    code, device = _renamed(arch.capability), _renamed(gpu.compute_capability)
    if arch.suffix == "a":
        return code == device
    if arch.suffix == "f":
        return code.major == device.major and code.minor <= device.minor
    return code <= device

"""Drivers: which CUDA a driver supports, and which driver a toolkit needs."""

from __future__ import annotations

from bisect import bisect_right
from functools import cache, lru_cache
from typing import Literal

from envkit.cuda.tables import load_table
from envkit.models.version import CudaVersion, DriverVersion

OS = Literal["linux", "windows"]


def os_of(subdir: str) -> OS:
    """Return the column of NVIDIA's tables for a conda platform; WSL counts as Linux."""
    return "windows" if subdir.startswith("win") else "linux"


@cache
def _branches() -> tuple[tuple[int, ...], tuple[CudaVersion, ...]]:
    rows = sorted(load_table("drivers")["branches"], key=lambda row: int(row["branch"]))
    return tuple(row["branch"] for row in rows), tuple(CudaVersion.parse(row["ceiling"]) for row in rows)


def known_branches() -> tuple[int, ...]:
    """Return the driver branches that the tables know, the oldest first."""
    return _branches()[0]


def newest_branch() -> int:
    """Return the newest driver branch that the tables know."""
    return _branches()[0][-1]


def is_beyond_tables(driver: DriverVersion) -> bool:
    """Return whether the driver is of a branch newer than the tables, so that its ceiling is a lower bound only."""
    return driver.branch > newest_branch()


def driver_ceiling(driver: DriverVersion) -> CudaVersion:
    """Return the newest CUDA that a driver supports, by its branch (the PTX ISA release history pairs them).

    A branch between two known ones has the ceiling of the lower one; a branch above the newest has at least the
    newest ceiling (`is_beyond_tables`).

    Raises:
        ValueError: The branch is older than CUDA 8.0, or it is no desktop driver (a Jetson reports its L4T release).
    """
    known, ceilings = _branches()
    index = bisect_right(known, driver.branch)
    if index == 0:
        raise ValueError(
            f"no CUDA is known for driver {driver}: drivers begin at {known[0]} here, and Jetson's numbers are L4T "
            "releases, not drivers"
        )
    return ceilings[index - 1]


@lru_cache(maxsize=256)
def min_driver(toolkit: CudaVersion, os: OS = "linux") -> DriverVersion:
    """Return the least driver that supports a toolkit without minor-version compatibility (release notes, table 3).

    A toolkit newer than the tables needs at least what the newest known one needs; one between two known ones what
    the next known one needs.
    """
    known: dict[CudaVersion, DriverVersion] = {}
    for row in load_table("toolkits")["toolkits"]:
        if row["update"] == 0 or CudaVersion.parse(row["toolkit"]) not in known:
            # Windows drivers are not bundled from 13.0 on: the branch number is the same on both systems.
            text = row[os] or row["linux"].split(".")[0]
            known[CudaVersion.parse(row["toolkit"])] = DriverVersion.parse(text)
    above = [version for version in known if version >= toolkit]
    return known[min(above)] if above else known[max(known)]


@lru_cache(maxsize=64)
def newest_toolkit(major: int) -> CudaVersion:
    """Return the newest toolkit of a major that the tables know; ``major.0`` for a major that they do not know."""
    known = {CudaVersion.parse(row["toolkit"]) for row in load_table("toolkits")["toolkits"]}
    return max((version for version in known if version.major == major), default=CudaVersion(major, 0))


@lru_cache(maxsize=256)
def minor_compat_min(toolkit: CudaVersion, os: OS = "linux") -> DriverVersion | None:
    """Return the least driver for a toolkit under minor-version compatibility (release notes, table 2).

    CUDA has none before 11.0, and no table has that of a newer major.
    """
    for row in load_table("toolkits")["minor_compatibility"]:
        only = row["only"]
        if row["major"] == toolkit.major and (only is None or CudaVersion.parse(only) == toolkit):
            return DriverVersion.parse(row[os])
    return None


def least_drivers() -> dict[CudaVersion, DriverVersion]:
    """Return the least driver that runs builds of each known toolkit on Linux, by minor-version compatibility too."""
    known = [CudaVersion.parse(row["toolkit"]) for row in load_table("toolkits")["toolkits"]]
    return {toolkit: minor_compat_min(toolkit) or min_driver(toolkit) for toolkit in known}


def at_least(driver: DriverVersion, minimum: DriverVersion) -> bool:
    """Return whether a driver is `minimum` or newer; a bare branch means its newest driver."""
    if driver.is_branch:
        return driver.branch >= minimum.branch
    return driver >= minimum


@lru_cache(maxsize=256)
def forward_compat_branches(toolkit: CudaVersion) -> tuple[int, ...]:
    """Return kernel driver branches on which a cuda-compat package for `toolkit` works (forward compatibility page)."""
    found: set[int] = set()
    for row in load_table("forward_compat")["matrix"]:
        if CudaVersion.parse(row["compat_from"]) <= toolkit <= CudaVersion.parse(row["compat_to"]):
            found.update(row["branches"])
    return tuple(sorted(found))

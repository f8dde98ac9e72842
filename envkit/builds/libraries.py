"""Roles of libraries with GPU code: which ones decide, which are for a special use, which compile at run time."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import cache, lru_cache
from typing import Literal

from envkit.cuda.tables import load_table
from envkit.frameworks.table import ROWS, wheel_row
from envkit.patterns import regex

Role = Literal["own", "part", "optional", "compiler", "any"]
"""Role of a library in its package.

``own`` decides: without code for a GPU the package does not run there. ``part`` is beside it: what needs it fails.
``optional`` has a use that most do without. ``compiler`` compiles at run time, so that its own code tells nothing.
``any`` is of a package that no table knows: one library with code is enough.
"""

_SUFFIX = regex(r"(?:[-_]cu\d{2,3}|-cuda\d{2,3}x?|-dev|-static)+\Z")


def library_key(package: str) -> str:
    """Return the name of a part of CUDA in the tables: ``cudnn`` for ``nvidia-cudnn-cu12`` and ``libcudnn``."""
    name = _SUFFIX.sub("", package.lower().replace("_", "-")).removeprefix("nvidia-")
    return name.removeprefix("lib") if name.startswith(("libcu", "libnv", "libnpp", "libmagma", "libucx")) else name


@cache
def _compilers() -> frozenset[str]:
    return frozenset(load_table("gpu_libraries", "envkit.builds")["compilers"])


@cache
def _patterns() -> tuple[tuple[str, Role], ...]:
    """Return the file names that mean a role in whatever package they lie; wheels often carry copies of CUDA's."""
    found: list[tuple[str, Role]] = [(name, "own") for row in ROWS.values() for name in row.gpu_libraries]
    for entry in load_table("gpu_libraries", "envkit.builds")["libraries"]:
        role: Role = "optional" if entry["optional"] else "own"
        found += [(name, role) for name in entry["own"]]
    return tuple(found)


@cache
def _optional() -> dict[str, bool]:
    rows = load_table("gpu_libraries", "envkit.builds")["libraries"]
    return {name: entry["optional"] for entry in rows for name in entry["names"]}


@lru_cache(maxsize=4096)
def library_role(package: str, file_name: str) -> Role:
    """Return the role of a library.

    Args:
        package: Name of the conda package or wheel; empty where it is not known.
        file_name: The last part of its path.
    """
    key = library_key(package)
    if key in _compilers():
        return "compiler"
    for pattern, role in _patterns():
        if fnmatchcase(file_name, pattern):
            return role
    if key in _optional():
        return "optional" if _optional()[key] else "part"
    row = wheel_row(package)
    return "part" if row is not None and row.gpu_libraries else "any"

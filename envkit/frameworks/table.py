"""All rows, and the lists and look-ups that are made from them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib import import_module

from envkit import frameworks
from envkit.frameworks.row import FrameworkRow

_OTHERS = {"__init__", "table"}


def _rows() -> Iterator[FrameworkRow]:
    """Read ``ROW`` of every module beside this one that has one."""
    folder = frameworks.__path__[0]
    for name in sorted(name.removesuffix(".py") for name in os.listdir(folder) if name.endswith(".py")):
        row = (
            None if name in {"__init__", "table"} else getattr(import_module(f"envkit.frameworks.{name}"), "ROW", None)
        )
        if row is not None:
            yield row


ROWS: dict[str, FrameworkRow] = {row.key: row for row in _rows()}
"""The rows by key, in alphabetical order."""

CUDA_FRAMEWORKS = frozenset(row.key for row in ROWS.values() if not row.gpu_is_optional)
"""Frameworks whose CPU build is refused where CUDA was asked for."""

EXTRA_CHANNELS = frozenset(name for row in ROWS.values() for name in row.channels)
"""Channels of frameworks that hold no more than their parts: the rest comes from conda-forge or defaults."""

TOOLKIT_PACKAGES = (
    *(row.toolkit for row in ROWS.values() if row.toolkit is not None),
    "cuda-version",
    "cudatoolkit",
)
"""Packages whose version is that of a toolkit, the most telling first."""

_OTHERS_WITH_PTX = ("pycuda", "cuda-python", "warp-lang", "taichi")
PTX_TO_DRIVER = frozenset(
    [*_OTHERS_WITH_PTX, *(name for row in ROWS.values() if row.ptx_to_driver for name in row.packages)]
)
"""Packages whose run-time compiler hands PTX to the driver: minor-version compatibility does not cover them."""

_BY_PACKAGE = {name: row for row in ROWS.values() for name in row.packages}
_CORE = frozenset(name for row in ROWS.values() for name in row.core)
_STUBS = frozenset(name for row in ROWS.values() for name in row.stubs)


def row_of(package: str) -> FrameworkRow | None:
    """Return the framework that a package belongs to."""
    return _BY_PACKAGE.get(package)


@lru_cache(maxsize=1024)
def wheel_row(package: str) -> FrameworkRow | None:
    """Return the framework whose libraries a wheel carries; its name is normalised (PEP 503)."""
    for row in ROWS.values():
        if any(fnmatchcase(package, pattern) for pattern in row.wheels):
            return row
    return row_of(package)


def is_core(package: str) -> bool:
    """Return whether a package holds a framework's compiled code, so that one without a sign of CUDA is for the CPU."""
    return package in _CORE


def is_stub(package: str) -> bool:
    """Return whether a package of a framework has no code and only steers a solver."""
    return package in _STUBS

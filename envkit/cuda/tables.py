"""The data files, read once and turned into values."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from envkit.models.version import ComputeCapability, CudaVersion

_ROOT = Path(__file__).parent.parent
TABLES = ("archs", "drivers", "forward_compat", "gpus", "libraries", "peaks", "ptx", "toolkits")


@cache
def load_table(name: str, package: str = "envkit.cuda") -> dict[str, Any]:
    """Read ``data/NAME.json`` of a package; that of CUDA has `TABLES`."""
    text = _ROOT.joinpath(*package.split(".")[1:], "data", f"{name}.json").read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)
    return table


def covers(row: dict[str, Any], value: ComputeCapability, low: str = "from", high: str = "to") -> bool:
    """Return whether a row's range of compute capabilities, both ends included, holds `value`."""
    return ComputeCapability.parse(row[low]) <= value <= ComputeCapability.parse(row[high])


@cache
def last_known_toolkit() -> CudaVersion:
    """Return the newest toolkit whose architectures the tables hold."""
    return CudaVersion.parse(load_table("archs")["last_known_toolkit"])

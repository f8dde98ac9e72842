"""Verify: whether packages in the cache are still what their archives held."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from envkit.installer import cache
from envkit.layout.damage import sha256_of
from envkit.layout.trash import discard
from envkit.layout.volume import Volume
from envkit.models.build import Record

__all__ = ["cached_packages", "damaged", "remove_damaged"]


def cached_packages(volume: Volume) -> list[Path]:
    """The directory of each extracted package in the cache that this user may look into."""
    if not volume.packages.is_dir():
        return []
    return sorted(
        package
        for home in volume.packages.iterdir()
        if home.is_dir() and not home.name.startswith(".") and os.access(home, os.R_OK | os.X_OK)
        for package in home.iterdir()
        if package.is_dir()
    )


def damaged(package: Path) -> str | None:
    """What is wrong with an extracted package: its files against its own ``info/paths.json`` (CEP 34), by sha256."""
    try:
        entries = json.loads((package / "info" / "paths.json").read_bytes())["paths"]
    except FileNotFoundError:
        return None if (package / "info" / "files").exists() else "its info is gone"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"its info/paths.json cannot be read: {error}"
    for entry in entries:
        path = package / str(entry.get("_path"))
        try:
            state = os.lstat(path)
            if not stat.S_ISREG(state.st_mode):
                continue
            size = entry.get("size_in_bytes")
            if isinstance(size, int) and state.st_size != size:
                return f"{entry['_path']} has {state.st_size} bytes, not {size}"
            if entry.get("sha256") and sha256_of(path) != entry["sha256"]:
                return f"{entry['_path']} was changed"
        except OSError as error:
            return f"{entry.get('_path')}: {error.strerror}"
    return None


def remove_damaged(volume: Volume, records: Sequence[Record]) -> list[str]:
    """Take packages that are damaged out of the cache, so that they are fetched again; return their names."""
    dropped = []
    for record in records:
        package = cache.package_dir(volume, record)
        if package.is_dir() and damaged(package):
            discard(volume, package.parent)
            dropped.append(record.fn)
    return dropped

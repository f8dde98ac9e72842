"""Verify that packages in the cache are still what their archives held."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from envkit.layout.damage import sha256_of
from envkit.layout.private import read_file
from envkit.layout.trash import discard
from envkit.layout.volume import Volume
from envkit.models.installed import WrongFile


def cached_packages(volume: Volume) -> list[Path]:
    """List the directory of each extracted package in the cache that this user may enter."""
    if not volume.packages.is_dir():
        return []
    return sorted(
        package
        for home in volume.packages.iterdir()
        if home.is_dir() and not home.name.startswith(".") and os.access(home, os.R_OK | os.X_OK)
        for package in home.iterdir()
        if package.is_dir()
    )


def find_damage(package: Path) -> WrongFile | None:
    """Hash an extracted package against its own ``info/paths.json`` (CEP 34); return the first file that differs."""
    name = package.name
    info = package / "info"
    if not (info / "index.json").is_file():
        return WrongFile(name, "info/index.json", "missing")
    try:
        entries = json.loads(read_file(info / "paths.json"))["paths"]
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            return WrongFile(name, "info/paths.json", "unreadable", error="it is no list of paths")
    except FileNotFoundError:
        return None if (info / "files").exists() else WrongFile(name, "info/paths.json", "missing")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        return WrongFile(name, "info/paths.json", "unreadable", error=str(error))
    folders = {"": True}
    for entry in entries:
        path = str(entry.get("_path"))
        try:
            state = os.lstat(package / path)
            if not _is_within(package, path.rpartition("/")[0], folders):
                return WrongFile(name, path, "unreadable", error="a link leads to it")
            if not stat.S_ISREG(state.st_mode):
                if entry.get("path_type") == "hardlink":
                    return WrongFile(name, path, "unreadable", error="it is no file")
                continue
            size = entry.get("size_in_bytes")
            if isinstance(size, int) and state.st_size != size:
                return WrongFile(name, path, "size", state.st_size, size)
            if entry.get("sha256") and sha256_of(package / path) != entry["sha256"]:
                return WrongFile(name, path, "sha256")
        except OSError as error:
            return WrongFile(name, path, "unreadable", error=str(error.strerror))
        except ValueError as error:  # a NUL in the path
            return WrongFile(name, path, "unreadable", error=str(error))
    return None


def _is_within(package: Path, inner: str, known: dict[str, bool]) -> bool:
    """Return whether no link leads to a folder of a package; `known` takes the answers."""
    if inner not in known:
        above = _is_within(package, inner.rpartition("/")[0], known)
        known[inner] = above and stat.S_ISDIR(os.lstat(package / inner).st_mode)
    return known[inner]


def remove_damaged(volume: Volume, packages: Sequence[Path]) -> list[str]:
    """Remove packages from the cache that are still damaged; return their names."""
    removed = []
    for package in packages:
        if package.is_dir() and find_damage(package):
            discard(volume, package.parent)
            removed.append(package.name)
    return removed

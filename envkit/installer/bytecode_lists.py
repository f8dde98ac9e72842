"""The lists of bytecode files that say that a package in ``pyc/`` is complete.

A list is written only after a run that compiled every module of the package. A package without one, or with one that
does not hold, is compiled again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from envkit.layout.private import Folder, folder
from envkit.layout.trust import cache_mode
from envkit.layout.volume import Volume
from envkit.plain import read_json

BytecodeFiles = list[tuple[str, list[str]]]
"""Each folder with bytecode, as a path in the prefix, and the names in it."""

LIST = "files.json"
"""Name of a list, in the folder of a package and a Python."""

_MOST_BLOCKS = 1 << 40


def read_list(folder: Path) -> BytecodeFiles | None:
    """Read the list in the folder of a package and a Python; None if there is none that can be used.

    Others may write the folder: a list with a path that leads out of a prefix is none.
    """
    return read_weighed(folder)[0]


def read_weighed(folder: Path) -> tuple[BytecodeFiles | None, int | None]:
    """Read a list, and the disk space of all that it lists in units of 512 bytes; None if it does not tell."""
    try:
        found = read_json(folder / LIST)
        if not isinstance(found, dict):  # of before, when an interrupted run could leave one
            return None, None
        files = [(str(inner), [str(name) for name in names]) for inner, names in found["files"]]
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        return None, None
    if not all(_stays_inside(inner, names) for inner, names in files):
        return None, None
    blocks = found.get("blocks")
    return files, blocks if type(blocks) is int and 0 <= blocks < _MOST_BLOCKS else None


def write_list(volume: Volume, place: Path) -> None:
    """List the bytecode in a folder, which is complete.

    Raises:
        OSError: It cannot be written.
    """
    with folder(volume.root, place, make=True, mode=cache_mode(volume)) as here:
        here.write(LIST, list_text(list(_walk(place)), here), durable=False)


def list_text(files: BytecodeFiles, here: Folder) -> str:
    """Return the content of a list for the open folder in which the files are.

    Raises:
        OSError: One is not there.
    """
    paths = (f"{inner}/{name}" for inner, names in files for name in names)
    blocks = sum(os.lstat(path, dir_fd=here.descriptor).st_blocks for path in paths)
    listed = sorted((inner, sorted(names)) for inner, names in files)
    return json.dumps({"schema_version": 1, "files": listed, "blocks": blocks})


def damaged_lists(volume: Volume) -> list[Path]:
    """Find the lists by which packages would go without bytecode, or without a part of it, for good."""
    return sorted(path for path in volume.bytecode.glob(f"*/*/{LIST}") if _is_damaged(volume, path))


def remove_lists(volume: Volume, paths: list[Path]) -> list[Path]:
    """Remove lists, so that their packages are compiled again; return those that are gone."""
    for path in paths:
        try:
            with folder(volume.root, path.parent) as here:
                here.unlink(path.name)
        except OSError:  # another user's, or gone
            continue
    return [path for path in paths if not os.path.lexists(path)]


def _is_damaged(volume: Volume, path: Path) -> bool:
    try:
        found = read_json(path)
    except FileNotFoundError:
        return False  # removed meanwhile
    except (OSError, ValueError, RecursionError):
        return True
    if isinstance(found, list):
        return not found and _has_modules(volume.packages / path.parent.parent.name)
    files = read_list(path.parent)
    return files is None or not all(_are_there(path.parent / inner, names) for inner, names in files)


def _are_there(folder: Path, names: list[str]) -> bool:
    try:
        return set(os.listdir(folder)).issuperset(names)
    except OSError:
        return False


def _has_modules(home: Path) -> bool:
    """Return whether a package in the cache installs modules outside of its tests."""
    for path in home.glob("*/info/paths.json"):
        try:
            entries = read_json(path)["paths"]
            names = [str(entry["_path"]) for entry in entries]
        except (OSError, ValueError, TypeError, LookupError, RecursionError):
            continue
        if any(name.endswith(".py") and "site-packages" in name and "/tests/" not in name for name in names):
            return True
    return False


def _stays_inside(inner: str, names: list[str]) -> bool:
    parts = inner.split("/")
    return (
        parts[-1] == "__pycache__"
        and ".." not in parts
        and all(parts)
        and bool(names)
        and all(name.endswith(".pyc") and "/" not in name for name in names)
    )


def _walk(folder: Path) -> Iterator[tuple[str, list[str]]]:
    stack = [""]
    while stack:
        inner = stack.pop()
        names = []
        with os.scandir(f"{folder}/{inner}") as entries:
            for entry in entries:
                if entry.name.endswith(".pyc"):
                    names.append(entry.name)
                elif entry.is_dir(follow_symlinks=False):
                    stack.append(f"{inner}/{entry.name}" if inner else entry.name)
        if names:
            yield inner, names

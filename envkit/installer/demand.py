"""Compute the space that linking takes, which is known exactly once packages are extracted."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from envkit.errors import NoSpaceError
from envkit.installer import cache
from envkit.layout.space import free_space
from envkit.layout.volume import Volume
from envkit.models.build import Record
from envkit.plain import read_json
from envkit.words.values import size_words

# With more room than this, do not count: no environment's folders, records and rewritten files need more.
_PLENTY_INODES = 2_000_000
_PLENTY_RATIO = 12
_PLENTY_BYTES = 2_000_000_000
# conda-meta, history, manifest, markers, and the temporary files that they are written through.
_OVERHEAD_INODES = 32
_OVERHEAD_BYTES = 64_000
_RECORD_BYTES_PER_FILE = 250
_BLOCK_BYTES = 4096


def _demand(volume: Volume, records: Sequence[Record], *, hard_links: bool) -> tuple[int, int]:
    """Return the bytes, in whole blocks, and the inodes that linking cached packages at a new path takes."""
    folders: set[str] = {""}
    size, inodes = _OVERHEAD_BYTES, _OVERHEAD_INODES
    for record in records:
        package = cache.package_dir(volume, record)
        entries = _entries(package / "info" / "paths.json")
        for entry in entries:
            path = str(entry.get("_path", ""))
            while (path := path.rpartition("/")[0]) and path not in folders:
                folders.add(path)
            if entry.get("path_type") == "softlink":
                inodes += 1
                size += _BLOCK_BYTES
            elif entry.get("prefix_placeholder") or not hard_links:
                inodes += 1
                size += _blocks(_size(package / str(entry.get("_path"))))
        inodes += 1
        size += _blocks(_RECORD_BYTES_PER_FILE * len(entries) + 2000)
    return size + len(folders) * _BLOCK_BYTES, inodes + len(folders)


def _entries(path: Path) -> list[dict[str, Any]]:
    try:
        found = read_json(path)["paths"]
    except (OSError, ValueError, KeyError, TypeError):
        return []  # an old package; the overhead covers its few files
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _size(path: Path) -> int:
    try:
        state = path.lstat()
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return 0
    return state.st_size if stat.S_ISREG(state.st_mode) else 0


def _blocks(size: int) -> int:
    return -(-size // _BLOCK_BYTES) * _BLOCK_BYTES


def check_room(volume: Volume, records: Sequence[Record], *, hard_links: bool) -> None:
    """Refuse to link packages that do not fit; count nothing where there is plenty of room.

    Raises:
        NoSpaceError: Fewer bytes or inodes are free than linking takes.
    """
    space = free_space(volume.root)
    archives = sum(record.size or 0 for record in records)
    inodes = space.free_inodes
    if (inodes is None or inodes > _PLENTY_INODES) and space.free_bytes > _PLENTY_BYTES + _PLENTY_RATIO * archives:
        return
    needed_bytes, needed_inodes = _demand(volume, records, hard_links=hard_links)
    how = "to link" if hard_links else "to copy (this file system has no hard links)"
    if needed_bytes > space.free_bytes:
        raise NoSpaceError(
            f"{volume.root} has {size_words(space.free_bytes)} free{space.within} and "
            f"{size_words(needed_bytes)} are needed {how} {len(records)} packages",
            hint="Free space, or choose another volume with --persist DIR; the packages are in the cache.",
        )
    if inodes is not None and needed_inodes > inodes:
        raise NoSpaceError(
            f"{volume.root} has {inodes:,} inodes free{space.within} and {needed_inodes:,} are needed {how} "
            f"{len(records)} packages",
            hint="Remove files, or choose another volume with --persist DIR; the packages are in the cache.",
        )

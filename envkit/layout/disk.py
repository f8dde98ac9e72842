"""Disk space of directories, with hard links counted once."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from envkit.values import dataclass

BLOCK = 512
"""The unit of st_blocks, in bytes."""


@dataclass(frozen=True, slots=True)
class Share:
    """Disk space of a directory."""

    total_bytes: int  # all its files, each inode once
    own_bytes: int  # files that none of the other directories shares


def measure(root: Path) -> Iterator[os.stat_result]:
    """Yield the lstat(2) of `root` and everything below it."""
    stack = [str(root)]
    while stack:
        path = stack.pop()
        try:
            state = os.lstat(path)
            yield state
            if not stat.S_ISDIR(state.st_mode):
                continue
            with os.scandir(path) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        stack.append(entry.path)
                    else:
                        yield entry.stat(follow_symlinks=False)
        except OSError:
            continue


def shares(roots: Sequence[Path]) -> tuple[list[Share], int]:
    """Return the disk space of each directory, and of all together."""
    owners: dict[tuple[int, int], int] = {}  # the only root that has the inode, or -1 for several
    sizes: dict[tuple[int, int], int] = {}
    totals = [0] * len(roots)
    for number, root in enumerate(roots):
        here: set[tuple[int, int]] = set()
        for state in measure(root):
            inode = (state.st_dev, state.st_ino)
            if inode in here:
                continue
            here.add(inode)
            size = sizes[inode] = state.st_blocks * BLOCK
            totals[number] += size
            owners[inode] = number if inode not in owners else -1
    own = [0] * len(roots)
    for inode, number in owners.items():
        if number >= 0:
            own[number] += sizes[inode]
    each = [Share(total, alone) for total, alone in zip(totals, own, strict=True)]
    return each, sum(sizes.values())


@dataclass(frozen=True, slots=True)
class Freed:
    """Space that deleting something gives back."""

    size_bytes: int
    inodes: int

    def __sub__(self, other: Freed) -> Freed:
        return Freed(self.size_bytes - other.size_bytes, self.inodes - other.inodes)


def freed_by(roots: Iterable[Path]) -> Freed:
    """Return the space that deleting all of `roots` gives back: inodes whose every name is below one of them."""
    seen: dict[tuple[int, int], list[int]] = {}
    size = inodes = 0
    for root in roots:
        for state in measure(root):
            if stat.S_ISDIR(state.st_mode):
                size += state.st_blocks * BLOCK
                inodes += 1
                continue
            counts = seen.setdefault((state.st_dev, state.st_ino), [0, state.st_nlink, state.st_blocks * BLOCK])
            counts[0] += 1
    gone = [blocks for names, links, blocks in seen.values() if names >= links]
    return Freed(size + sum(gone), inodes + len(gone))

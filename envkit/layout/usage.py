"""Use: generations in use by processes, and disk space of directories, with hard links counted once."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from envkit.layout import lease
from envkit.layout.generation import list_generations
from envkit.layout.uses import users_of
from envkit.layout.volume import Volume

_BLOCK = 512  # the unit of st_blocks


@dataclass(frozen=True, slots=True)
class Share:
    """Disk space of a directory."""

    total_bytes: int  # all its files, each inode once
    own_bytes: int  # files that none of the other directories shares


def in_use(volume: Volume) -> set[str]:
    """Return the names of generations whose lease is held, or that `seen_in_processes` finds.

    Leases of other hosts are seen if the file system carries locks. Processes are seen on this host only, and those
    of other users by root only; marks of use, on all hosts (`envkit.layout.uses`).
    """
    names = {path.name for path in list_generations(volume)}
    seen = seen_in_processes(volume) | users_of(volume).keys()
    return {name for name in names if lease.is_held(volume, name)} | (seen & names)


def seen_in_processes(volume: Volume) -> set[str]:
    """Return the names of generations in the mapped files, program or directory of a process on this host."""
    used: set[str] = set()
    marker = os.fsencode(f"{os.path.realpath(volume.generations)}/")
    for text in _process_texts():
        start = text.find(marker)
        while start >= 0:
            start += len(marker)
            end = min((at for at in (text.find(stop, start) for stop in (b"/", b"\n", b" ")) if at >= 0), default=None)
            used.add(os.fsdecode(text[start:end]))
            start = text.find(marker, start)
    return used


def _process_texts() -> Iterator[bytes]:
    try:
        processes = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return  # macOS: leases only
    for number in processes:
        if number == str(os.getpid()):
            continue
        try:
            with open(f"/proc/{number}/maps", "rb") as file:  # noqa: PTH123 - thousands of them
                yield file.read()
        except OSError:
            continue  # it has ended, or belongs to another user
        for link in ("exe", "cwd"):
            try:
                yield os.fsencode(os.readlink(f"/proc/{number}/{link}"))
            except OSError:
                continue


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
            size = sizes[inode] = state.st_blocks * _BLOCK
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
                size += state.st_blocks * _BLOCK
                inodes += 1
                continue
            counts = seen.setdefault((state.st_dev, state.st_ino), [0, state.st_nlink, state.st_blocks * _BLOCK])
            counts[0] += 1
    gone = [blocks for names, links, blocks in seen.values() if names >= links]
    return Freed(size + sum(gone), inodes + len(gone))

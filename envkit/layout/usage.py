"""Use: which generations a process is using, and what files take on the disk, hard links counted once."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from envkit.layout import lease
from envkit.layout.generation import list_generations
from envkit.layout.volume import Volume

__all__ = ["DiskUse", "bytes_freed_by", "disk_use", "in_use", "measure"]

_BLOCK = 512  # the unit of st_blocks, whatever the file system's own (POSIX)


@dataclass(frozen=True, slots=True)
class DiskUse:
    """What a directory takes.

    Attributes:
        total_bytes: All its files, each once.
        own_bytes: The files that nothing outside shares: what deleting it would give back.
        files: How many names of files.
    """

    total_bytes: int
    own_bytes: int
    files: int


def in_use(volume: Volume) -> set[str]:
    """Names of generations that a living process uses: by lease, or seen in its mapped files, program or directory.

    Leases are seen from other hosts too where the file system carries locks; processes only on this host, and those
    of other users only by root.
    """
    names = [path.name for path in list_generations(volume)]
    used = {name for name in names if lease.is_held(volume, name)}
    marker = os.fsencode(f"{os.path.realpath(volume.generations)}/")
    for text in _process_texts():
        start = text.find(marker)
        while start >= 0:
            start += len(marker)
            end = min((at for at in (text.find(stop, start) for stop in (b"/", b"\n", b" ")) if at >= 0), default=None)
            used.add(os.fsdecode(text[start:end]))
            start = text.find(marker, start)
    return used & set(names)


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
            continue  # it has ended, or belongs to somebody else
        for link in ("exe", "cwd"):
            try:
                yield os.fsencode(os.readlink(f"/proc/{number}/{link}"))
            except OSError:
                continue


def measure(root: Path) -> Iterator[os.stat_result]:
    """The state of every file, link and directory below `root`, and of `root`."""
    stack = [str(root)]
    while stack:
        path = stack.pop()
        try:
            yield os.lstat(path)
            with os.scandir(path) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        stack.append(entry.path)
                    else:
                        yield entry.stat(follow_symlinks=False)
        except OSError:
            continue


def disk_use(root: Path) -> DiskUse:
    """What a directory takes. A file is its own when all names of its inode are below `root`."""
    seen: dict[tuple[int, int], list[int]] = {}
    files = directories = 0
    for state in measure(root):
        if stat.S_ISDIR(state.st_mode):
            directories += state.st_blocks * _BLOCK
            continue
        files += 1
        counts = seen.setdefault((state.st_dev, state.st_ino), [0, state.st_nlink, state.st_blocks * _BLOCK])
        counts[0] += 1
    total = sum(size for _, _, size in seen.values())
    own = sum(size for names, links, size in seen.values() if names >= links)
    return DiskUse(total + directories, own + directories, files)


def bytes_freed_by(roots: Sequence[Path] | Iterable[Path]) -> int:
    """What deleting all of `roots` together gives back: files whose every name is below one of them."""
    seen: dict[tuple[int, int], list[int]] = {}
    total = 0
    for root in roots:
        for state in measure(root):
            if stat.S_ISDIR(state.st_mode):
                total += state.st_blocks * _BLOCK
                continue
            counts = seen.setdefault((state.st_dev, state.st_ino), [0, state.st_nlink, state.st_blocks * _BLOCK])
            counts[0] += 1
    return total + sum(size for names, links, size in seen.values() if names >= links)

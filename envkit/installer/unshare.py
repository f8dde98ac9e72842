"""Copies in place of hard links into the cache, for an environment that shares no file (``--copy``)."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

_CHUNK = 1 << 20


def unshare(prefix: Path) -> int:
    """Replace each file of a prefix that has several hard links by a copy; return how many there were.

    Raises:
        OSError: A copy cannot be written.
    """
    copied = 0
    stack = [str(prefix)]
    while stack:
        with os.scandir(stack.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    stack.append(entry.path)
                    continue
                state = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(state.st_mode) and state.st_nlink > 1:
                    _copy(Path(entry.path), state)
                    copied += 1
    return copied


def _copy(path: Path, state: os.stat_result) -> None:
    beside = path.with_name(f"{path.name[:200]}.envkit-copy")
    with path.open("rb") as file, beside.open("xb") as copy:
        shutil.copyfileobj(file, copy, _CHUNK)
        os.fchmod(copy.fileno(), stat.S_IMODE(state.st_mode))
    os.utime(beside, ns=(state.st_mtime_ns, state.st_mtime_ns))  # bytecode is valid for one time of its source
    beside.replace(path)

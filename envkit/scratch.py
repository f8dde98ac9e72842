"""Scratch folders: for files of one run, below the node's folder for temporary files, which is never a volume.

A run holds a lock on its folder, so those of runs that were killed can be told from the others and removed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from envkit.errors import VolumeError

_PREFIX = "envkit-run-"
# Made by probes, without a lock. No validation takes so long.
_UNLOCKED = "envkit-probe-"
_UNLOCKED_AGE_S = 24 * 3600.0
# Between mkdir(2) and the lock.
_LOCKED_AGE_S = 60.0


def _locks() -> ModuleType | None:
    """Return the module with flock(2); None on Windows."""
    try:
        import fcntl
    except ImportError:
        return None
    return fcntl


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Make a folder that is closed to others, and remove it when the block ends.

    Raises:
        VolumeError: There is no folder for temporary files, or it is full.
    """
    try:
        made = tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True)
    except OSError as error:
        raise VolumeError(
            f"no folder for temporary files can be made: {error.strerror}",
            hint="Name one on this host, with some space, in TMPDIR.",
        ) from error
    with made as name:
        fcntl = _locks()
        if fcntl is None:
            yield Path(name)
            return
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with contextlib.suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            yield Path(name)
        finally:
            os.close(descriptor)


def sweep_scratch() -> int:
    """Remove this user's scratch folders of runs that were killed; return how many."""
    swept = 0
    home = Path(tempfile.gettempdir())
    with contextlib.suppress(OSError):
        for name in os.listdir(home):
            if name.startswith((_PREFIX, _UNLOCKED)):
                swept += _sweep(home / name)
    return swept


def _sweep(path: Path) -> bool:
    fcntl = _locks()
    if fcntl is None:
        return False  # nothing tells whose it is
    least = _UNLOCKED_AGE_S if path.name.startswith(_UNLOCKED) else _LOCKED_AGE_S
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        state = os.fstat(descriptor)
        private = state.st_uid == os.geteuid() and not stat.S_IMODE(state.st_mode) & 0o077
        if not private or time.time() - state.st_mtime < least:
            return False
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path, ignore_errors=True)
    except OSError:  # its run lives, or nothing tells
        return False
    finally:
        os.close(descriptor)
    return not path.exists()

"""Scratch folders: for files of one run, below the node's folder for temporary files, which is never a volume.

A run holds a lock on its folder, so those of runs that were killed can be told from the others and removed.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from envkit.errors import VolumeError

_PREFIX = "envkit-run-"
_USUAL = ("/tmp", "/var/tmp", "/usr/tmp")  # what is made in them is closed to others
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
    made = _make()
    try:
        fcntl = _locks()
        if fcntl is None:
            yield made
            return
        descriptor = os.open(made, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with contextlib.suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            yield made
        finally:
            os.close(descriptor)
    finally:
        _remove(made)


def _make() -> Path:
    """Make a private folder, where `tempfile` would; its import takes longer than a small solve reads and writes."""
    error: OSError | None = None
    for place in _places():
        try:
            made = Path(place).absolute() / f"{_PREFIX}{os.urandom(6).hex()}"
            made.mkdir(mode=0o700)
        except OSError as refused:
            error = error or refused
        else:
            return made
    raise VolumeError(
        f"no folder for temporary files can be made: {error.strerror if error else 'there is none'}",
        hint="Name one on this host, with some space, in TMPDIR.",
    ) from error


def _places() -> Iterator[str]:
    """Yield the folders that `tempfile` tries, in its order."""
    if os.name != "posix":
        import tempfile

        yield tempfile.gettempdir()
        return
    yield from (place for name in ("TMPDIR", "TEMP", "TMP") if (place := os.environ.get(name)))
    yield from (*_USUAL, os.curdir)


def _remove(folder: Path) -> None:
    """Remove a folder with what is in it, as far as that can be done."""
    try:
        for name in os.listdir(folder):
            (folder / name).unlink()
        folder.rmdir()
    except OSError:  # folders in it, mostly; packages have some that are closed to writing
        import shutil

        for place, below, _ in os.walk(folder):
            for name in below:
                if not (path := Path(place, name)).is_symlink():
                    with contextlib.suppress(OSError):
                        path.chmod(0o700)
        shutil.rmtree(folder, ignore_errors=True)


def sweep_scratch() -> int:
    """Remove this user's scratch folders of runs that were killed; return how many."""
    import tempfile

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
        _remove(path)
    except OSError:  # its run lives, or nothing tells
        return False
    finally:
        os.close(descriptor)
    return not path.exists()

"""Leases: locks that save work and tell the living from the dead. Correctness never rests on one.

The operating system releases a lease when its process dies, however it dies. Where a file system cannot lock
(ENOLCK on some NFS mounts), everybody gets the lease, and what rests on `mkdir` and `rename` still holds; that is why
this is not the library filelock, which waits for a lock that never comes.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from envkit.errors import HeldError
from envkit.layout.volume import Volume
from envkit.models.progress import Reporter

__all__ = ["can_lock", "hold", "is_held"]

_POLL_S = 0.2


@contextlib.contextmanager
def hold(
    volume: Volume, what: str, *, reporter: Reporter | None = None, wait_s: float = 0.0, shared: bool = False
) -> Iterator[None]:
    """Hold the lease on `what` (an environment's or a generation's name) while the block runs.

    Args:
        volume: Where.
        what: A plain file name.
        reporter: Hears once that somebody else holds it.
        wait_s: How long to wait for that.
        shared: Let others share it; only one who wants it alone has to wait.

    Raises:
        HeldError: Another process still holds it after `wait_s` seconds.
    """
    path = volume.leases / what
    deadline = time.monotonic() + wait_s
    told = False
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            locked = _lock(descriptor, shared=shared)
            if locked and _is_still(descriptor, path):
                break
            os.close(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        if locked:  # its last holder removed the file meanwhile: a lock on that keeps nobody out
            continue
        if time.monotonic() >= deadline:
            raise HeldError(
                f"another process is working on {what} in {volume.root}",
                hint="Wait until it has finished; nothing is left behind when it dies.",
            )
        if reporter is not None and not told:
            reporter.note(f"waiting for another process that is working on {what}")
            told = True
        time.sleep(_POLL_S)
    try:
        yield
    finally:
        if not shared or _lock(descriptor):
            with contextlib.suppress(OSError):
                path.unlink()  # while it is locked: one who has opened it meanwhile sees that it is not there any more
        os.close(descriptor)  # which also releases the lock


def _is_still(descriptor: int, path: Path) -> bool:
    """Whether the file that was opened is still the one at the path: its last holder removes it."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def is_held(volume: Volume, what: str) -> bool:
    """Whether a living process holds the lease on `what`. False where the file system cannot lock."""
    try:
        descriptor = os.open(volume.leases / what, os.O_RDWR)
    except OSError:
        return False
    try:
        return not _lock(descriptor)
    finally:
        os.close(descriptor)


def can_lock(volume: Volume) -> bool:
    """Whether the file system can lock at all."""
    descriptor = os.open(volume.leases, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def _lock(descriptor: int, *, shared: bool = False) -> bool:
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # no locks on this file system: go on without
    return True

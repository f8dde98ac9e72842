"""Leases: locks that save work and tell the living from the dead. Correctness never rests on one.

The operating system releases a lease when its process dies, however it dies. Where a file system cannot lock
(ENOLCK on some NFS mounts), everybody gets the lease, and what rests on `mkdir` and `rename` still holds; that is why
this is not the library filelock, which waits for a lock that never comes.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from envkit.errors import HeldError, VolumeError
from envkit.layout.refusal import cannot_write, is_refused
from envkit.layout.volume import Volume
from envkit.models.progress import Reporter

__all__ = ["NAME_WAIT_S", "can_lock", "hold", "is_held"]

NAME_WAIT_S = 3600.0
"""How long a verb waits for another process that changes the same environment."""


_POLL_S = 0.2
_MODE = 0o666


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
        VolumeError: The volume takes no lease: it is read-only, somebody else's, full, or there is none.
    """
    path = volume.leases / what
    deadline = time.monotonic() + wait_s
    told = False
    while True:
        descriptor = _open(volume, path)
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


def _open(volume: Volume, path: Path) -> int:
    """Open the file of a lease, or make it. What one user made, others have to be able to lock.

    Raises:
        VolumeError: It cannot be made.
    """
    while True:
        try:
            # Never O_CREAT for a file that may be there: in a sticky directory that anybody may write,
            # fs.protected_regular refuses it to all but the file's owner.
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, _MODE)
        except FileExistsError:
            with contextlib.suppress(FileNotFoundError):  # its last holder removed it meanwhile
                return _open_there(path)
        except OSError as error:
            # A directory that this user may not write may hold the file of one who may.
            with contextlib.suppress(OSError):
                return _open_there(path)
            if error.errno == errno.ENOENT:
                raise VolumeError(
                    f"{volume.root} is no volume of envkit", hint="Give the directory of one with --persist DIR."
                ) from error
            if is_refused(error):
                raise cannot_write(volume, error) from error
            raise
        else:
            with contextlib.suppress(OSError):
                os.fchmod(descriptor, _MODE)  # the umask has taken the others' bits
            return descriptor


def _open_there(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR)  # where NFS makes record locks of flock, an exclusive one needs writing
    except PermissionError:
        return os.open(path, os.O_RDONLY)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        return os.open(path, os.O_RDONLY)


def _is_still(descriptor: int, path: Path) -> bool:
    """Whether the file that was opened is still the one at the path: its last holder removes it."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def is_held(volume: Volume, what: str) -> bool:
    """Whether a living process holds the lease on `what`. False where the file system cannot lock.

    A lease that cannot be looked at may be held: what it stands for is left alone.
    """
    try:
        descriptor = _open_there(volume.leases / what)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # EBADF: NFS gives no exclusive lock on a file that cannot be written; it may be held.
        return isinstance(error, BlockingIOError) or error.errno == errno.EBADF
    else:
        return False
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

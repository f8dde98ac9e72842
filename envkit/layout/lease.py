"""Leases: locks that save work and show which process is alive. Correctness never rests on one.

The operating system releases a lease when its process dies. Where a file system cannot lock (ENOLCK on some NFS
mounts), everybody gets the lease, and mkdir(2) and rename(2) still keep data whole. The library filelock would wait
there for ever.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator

from envkit.errors import HeldError, TamperedError, VolumeError
from envkit.layout.private import Folder, folder
from envkit.layout.refusal import cannot_write, is_refused
from envkit.layout.volume import Volume
from envkit.models.progress import Reporter

NAME_WAIT_S = 3600.0
"""How long a command waits for another process that changes the same environment."""

_POLL_S = 0.2
_MODE = 0o666


@contextlib.contextmanager
def hold(
    volume: Volume, what: str, *, reporter: Reporter | None = None, wait_s: float = 0.0, shared: bool = False
) -> Iterator[None]:
    """Hold the lease on `what` (an environment's or a generation's name) while the block runs.

    A shared lease is shared with others who ask for a shared one.

    Raises:
        HeldError: Another process still holds it after `wait_s` seconds.
        VolumeError: The lease cannot be made: the volume is read-only, another user's, full, or missing.
    """
    with _leases(volume) as leases:
        yield from _held(volume, leases, what, reporter, wait_s, shared=shared)


def _held(
    volume: Volume, leases: Folder, what: str, reporter: Reporter | None, wait_s: float, *, shared: bool
) -> Iterator[None]:
    deadline = time.monotonic() + wait_s
    told = False
    while True:
        descriptor = _open(volume, leases, what)
        try:
            locked = _lock(descriptor, shared=shared)
            if locked and _is_still(descriptor, leases, what):
                break
            os.close(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        if locked:  # the file was unlinked after we opened it, so this lock protects nothing
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
                leases.unlink(what)  # while locked: a process that has opened it sees that it is unlinked
        os.close(descriptor)  # which also releases the lock


def _leases(volume: Volume) -> Folder:
    try:
        return folder(volume.root, volume.leases)
    except FileNotFoundError as error:
        raise VolumeError(
            f"{volume.root} is no volume of envkit", hint="Give the directory of one with --persist DIR."
        ) from error
    except OSError as error:
        if is_refused(error):
            raise cannot_write(volume, error) from error
        raise


def _open(volume: Volume, leases: Folder, what: str) -> int:
    """Open the file of a lease, or make it so that other users can lock it too."""
    while True:
        try:
            # O_CREAT without O_EXCL fails in a sticky, world-writable directory for all but the file's owner
            # (fs.protected_regular).
            return leases.create(what, _MODE)
        except FileExistsError:
            with contextlib.suppress(FileNotFoundError):  # unlinked by its last holder meanwhile
                return _open_there(leases, what)
        except OSError as error:
            # This user may not write the directory, but another may have made the file.
            with contextlib.suppress(OSError):
                return _open_there(leases, what)
            if is_refused(error):
                raise cannot_write(volume, error) from error
            raise


def _open_there(leases: Folder, what: str) -> int:
    try:
        # NFS turns flock into record locks; an exclusive one needs write access
        return leases.open_file(what, os.O_RDWR)
    except OSError as error:
        if error.errno not in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise
        return leases.open_file(what)


def _is_still(descriptor: int, leases: Folder, what: str) -> bool:
    """Return whether the name is still that of the open file: the last holder unlinks it."""
    try:
        return os.path.samestat(os.fstat(descriptor), leases.state(what))
    except FileNotFoundError:
        return False


def is_held(volume: Volume, what: str) -> bool:
    """Return whether a living process holds the lease on `what`. False if the file system cannot lock.

    A lease that cannot be opened counts as held.
    """
    try:
        with folder(volume.root, volume.leases) as leases:
            descriptor = _open_there(leases, what)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    error = _flock(descriptor, fcntl.LOCK_EX)
    os.close(descriptor)
    return _says_held(error)


def _says_held(error: OSError | None) -> bool:
    # EBADF: NFS gives no exclusive lock on a file opened for reading, so it may be held.
    return isinstance(error, BlockingIOError) or (error is not None and error.errno == errno.EBADF)


def sweep(volume: Volume) -> int:
    """Remove the files of leases that nobody holds; return how many.

    A holder that shared it leaves its file, as one that was killed does. Where the file system cannot lock, they stay:
    nothing tells whether one is held.
    """
    swept = 0
    try:
        leases = folder(volume.root, volume.leases)
    except FileNotFoundError:
        return 0
    with leases:
        for name in leases.names():
            with contextlib.suppress(OSError, TamperedError):
                descriptor = _open_there(leases, name)
                try:
                    # A process that has opened it meanwhile sees that it is unlinked.
                    if _flock(descriptor, fcntl.LOCK_EX) is None and _is_still(descriptor, leases, name):
                        leases.unlink(name)
                        swept += 1
                finally:
                    os.close(descriptor)
    return swept


def can_lock(volume: Volume) -> bool:
    """Return whether the file system can lock."""
    with folder(volume.root, volume.leases) as leases:
        error = _flock(leases.descriptor, fcntl.LOCK_SH)
    return error is None or isinstance(error, BlockingIOError)


def _lock(descriptor: int, *, shared: bool = False) -> bool:
    """Return whether no other process has the lock; true on a file system without locks, too."""
    return not isinstance(_flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX), BlockingIOError)


def _flock(descriptor: int, how: int) -> OSError | None:
    """Lock an open file without waiting; return the error if that fails."""
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except OSError as error:
        return error
    return None

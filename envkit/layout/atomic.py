"""Atomic and durable writes, of which every error is told."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# fsync(2) and syncfs(2) of a file system, or of a kind of file, that has nothing to sync.
_NO_SYNC = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF})


def write_atomic(path: Path, text: str | bytes, *, mode: int = 0o644, durable: bool = True) -> None:
    """Write a file so that readers see the old content or the new one, also after a power cut unless not `durable`.

    It is never written in place: the old file may be a symbolic link, or a hard link into the cache.
    """
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        write_at(descriptor, path.name, text, mode=mode, durable=durable)
    except OSError as error:
        if error.filename is not None and not os.path.isabs(error.filename):
            error.filename = str(path)
        raise
    finally:
        os.close(descriptor)


def write_at(folder: int, name: str, text: str | bytes, *, mode: int, durable: bool) -> None:
    """Write a file in an open directory as `write_atomic` does."""
    temporary = f".{name}.{os.urandom(4).hex()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(temporary, flags, 0o600, dir_fd=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode() if isinstance(text, str) else text)
            file.flush()
            os.fchmod(file.fileno(), mode)
            if durable:
                sync_descriptor(file.fileno())
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise
    if durable:
        sync_descriptor(folder)


def sync_descriptor(descriptor: int) -> None:
    """Make an open file or the names in an open directory durable.

    Raises:
        OSError: They may not be on the disk (EIO, ENOSPC, EDQUOT). File systems that refuse to sync do not need it.
    """
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable; see `sync_descriptor`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sync_descriptor(descriptor)
    except OSError as error:
        error.filename = str(path)
        raise
    finally:
        os.close(descriptor)


def sync_file_system(path: Path) -> None:
    """Write the file system of `path` to disk with syncfs(2), or every file system where there is no syncfs.

    Raises:
        OSError: Something may not be on the disk (EIO, ENOSPC, EDQUOT).
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        import ctypes  # no job that starts needs it

        syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
        if syncfs is None:
            os.sync()
        elif syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            if number not in _NO_SYNC:
                raise OSError(number, os.strerror(number), str(path))
            os.sync()
    finally:
        os.close(descriptor)


def chmod_at(folder: int, name: str, mode: int) -> None:
    """Set the mode of a file or directory in an open directory; never of what a link leads to.

    Raises:
        OSError: It is a link (ELOOP), or this user may not.
    """
    flags = os.O_CLOEXEC | os.O_NOFOLLOW
    # O_PATH alone opens what its owner may not read, and fchmod(2) refuses its descriptor.
    by_path = sys.platform == "linux" and os.path.isdir("/proc/self/fd")
    if sys.platform == "linux" and by_path:
        descriptor = os.open(name, flags | os.O_PATH, dir_fd=folder)
    else:
        descriptor = os.open(name, flags | os.O_RDONLY | os.O_NONBLOCK, dir_fd=folder)
    try:
        if stat.S_ISLNK(os.fstat(descriptor).st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name)
        if by_path:
            os.chmod(f"/proc/self/fd/{descriptor}", mode)
        else:
            os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)

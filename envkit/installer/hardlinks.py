"""Hard links of whole folders, relative to open directories: the kernel walks each path once a folder, not once a file.

Names come from lists of packages and of the cache; the folders that they are linked into belong to this run alone.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator, Sequence

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_NOFOLLOW | os.O_CLOEXEC
# Errors of link(2) that a copy would meet, too. The others are for hard links alone: too many of a file, none on this
# file system, for this user or across project quotas; some file systems say EIO.
_IN_VAIN = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENOSPC, errno.EDQUOT, errno.EROFS})


@contextlib.contextmanager
def entered(path: str) -> Iterator[int]:
    """Open a directory while the block runs. The path may be a link, as one by a descriptor is."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def opened(path: str, *, within: int) -> Iterator[int]:
    """Open a directory below an open one while the block runs."""
    descriptor = os.open(path or ".", _FOLDER, dir_fd=within)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


class LinkTarget:
    """An open directory in which folders are made. Threads may use it at the same time.

    Attributes:
        exact: Whether everything that was asked for is there by a hard link, and nothing gave way to it.
        made: The folders that were made, by their paths; and the directory itself, which is empty.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.exact = True
        self.made = {""}

    @contextlib.contextmanager
    def folder(self, path: str) -> Iterator[int]:
        """Make a folder, with those above it, and open it while the block runs."""
        self.make(path)
        with opened(path, within=self.descriptor) as descriptor:
            yield descriptor

    def make(self, path: str) -> None:
        """Make a folder, with those above it, unless it is there."""
        if path in self.made:
            return
        self.make(path.rpartition("/")[0])
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, dir_fd=self.descriptor)
        self.made.add(path)

    def unmake(self) -> None:
        """Remove the folders that were made and are empty."""
        for path in sorted(self.made - {""}, key=len, reverse=True):  # those in another one before it
            with contextlib.suppress(OSError):
                os.rmdir(path, dir_fd=self.descriptor)
                self.made.discard(path)


@contextlib.contextmanager
def link_target(path: str | os.PathLike[str]) -> Iterator[LinkTarget]:
    """Open a directory to link into while the block runs."""
    with entered(os.fspath(path)) as descriptor:
        yield LinkTarget(descriptor)


def link_all(source: int, target: int, names: Sequence[str]) -> bool:
    """Link files of one open directory into another one; what cannot have another link is copied.

    Bytecode that is there already, from the cache, gives way: this is that of the package.

    Returns:
        Whether all are there by a hard link, and nothing gave way.

    Raises:
        OSError: A file is not there, or the volume is full.
    """
    link = os.link
    exact = True
    for name in names:
        try:
            link(name, name, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
        except FileExistsError:
            exact = False
            if not name.endswith(".pyc"):
                raise
            os.unlink(name, dir_fd=target)
            link(name, name, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
        except OSError as error:
            exact = False
            if error.errno in _IN_VAIN:
                raise
            _copy(source, target, name)
    return exact


def _copy(source: int, target: int, name: str) -> None:
    reader = os.open(name, os.O_RDONLY | _FILE, dir_fd=source)
    with os.fdopen(reader, "rb") as content:
        state = os.fstat(reader)
        writer = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FILE, 0o600, dir_fd=target)
        with os.fdopen(writer, "wb") as copy:
            shutil.copyfileobj(content, copy, 1 << 20)
            copy.flush()
            os.fchmod(writer, stat.S_IMODE(state.st_mode))
            os.utime(writer, ns=(state.st_atime_ns, state.st_mtime_ns))  # bytecode is valid for one time of its source

"""Refused writes (a volume that is read-only, full, or owned by another user) as errors of envkit."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from envkit.errors import NoSpaceError, VolumeError
from envkit.layout.volume import Volume

# The disk, its controller or the server of a network file system.
_BROKEN = frozenset({errno.EIO, errno.ENXIO, errno.ENODEV, errno.ESTALE})


def numbered(error: BaseException) -> OSError | None:
    """Return an error of the operating system with its number; the native engine tells it in its text only."""
    if isinstance(error, OSError) and error.errno is not None:
        return error
    found = re.search(r"\(os error (\d+)\)", str(error))
    return OSError(int(found[1]), os.strerror(int(found[1]))) if found else None


def is_broken(error: BaseException) -> bool:
    """Return whether an error says that the disk does not work."""
    return isinstance(error, OSError) and error.errno in _BROKEN


def no_space(error: BaseException) -> bool:
    """Return whether an error says that the disk or the quota is full."""
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}


def is_refused(error: OSError) -> bool:
    """Return whether an error says that this user cannot write: no permission, read-only, full, or a broken disk."""
    return error.errno in {errno.EACCES, errno.EPERM, errno.EROFS, *_BROKEN} or no_space(error)


def what_is_full(volume: Volume, error: BaseException) -> str:
    """Say which is full, the disk or the quota, from an error that means either."""
    # An error of the native engine has no number.
    if (isinstance(error, OSError) and error.errno == errno.EDQUOT) or "quota exceeded" in str(error).lower():
        return f"the quota on {volume.root} is used up"
    return f"no space left on {volume.root}"


def full_while(volume: Volume, error: BaseException, doing: str, *, hint: str | None = None) -> NoSpaceError:
    """Return the error of a volume that is full while packages are brought to it."""
    kept = "Free space or inodes, or choose another volume. The packages are in the cache and stay there."
    return NoSpaceError(f"{what_is_full(volume, error)} while {doing}", hint=hint or kept)


def cannot_write(volume: Volume, error: OSError) -> VolumeError:
    """Return the error to raise when this user cannot write the volume."""
    if no_space(error):
        return NoSpaceError(what_is_full(volume, error), hint="Free some space, or choose another volume.")
    if is_broken(error):
        return VolumeError(
            f"{volume.root}: the file system reports an error ({error.strerror}); nothing was changed",
            hint="Look at `dmesg`, the disk or the server of the volume; run the command again when it works.",
        )
    with contextlib.suppress(OSError):
        if error.errno == errno.EPERM and volume.root.stat().st_mode & stat.S_ISVTX:
            return not_own(volume)
    what = "is mounted read-only" if error.errno == errno.EROFS else f"cannot be written: {error.strerror}"
    return VolumeError(
        f"{volume.root} {what}",
        hint="Choose a directory that you may write with --persist DIR, or mend its owner and permissions.",
    )


def not_own(volume: Volume, owner: int | None = None) -> VolumeError:
    """Return the error of a change of what is another member's, on a volume where each has their own."""
    whose = f"; this is user {owner}'s" if owner is not None else ""
    return VolumeError(
        f"{volume.root} is sticky: members change and remove only what is their own{whose}",
        hint="Ask them, or work in one of your own: envkit clone NAME YOURS.",
    )


@contextlib.contextmanager
def writing(volume: Volume) -> Iterator[None]:
    """Translate the errors of a block that changes the volume."""
    try:
        yield
    except OSError as error:
        names = [
            Path(os.fsdecode(name)) for name in (error.filename, error.filename2) if isinstance(name, (str, bytes))
        ]
        # symlink(2) may name its relative target only. A generation in the making is written by its descriptor.
        roots = (volume.root, Path(f"/proc/{os.getpid()}/fd"))
        ours = all(not name.is_absolute() or any(map(name.is_relative_to, roots)) for name in names)
        if not is_refused(error) or not ours:
            raise
        raise cannot_write(volume, error) from error

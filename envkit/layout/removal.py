"""Removal of a directory tree by descriptors: no link is followed, and no mount crossed."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable

from envkit.layout.atomic import chmod_at

_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MOUNTINFO = "/proc/self/mountinfo"
# Levels of folders that are open at once. A deeper tree is moved up first, so one of any depth can be removed.
_DEPTH = 64


def remove_tree(parent: int, name: str) -> None:
    """Remove an entry of an open directory and everything below it, as far as this user may.

    What is mounted below it stays, and what is on another file system.

    Args:
        parent: Descriptor of the directory that holds it.
        name: Its name there.
    """
    if _has_mounts(parent, name):
        return  # a bind mount has the device of the file system that holds both
    device = os.fstat(parent).st_dev
    waiting = [name]
    while waiting:
        with contextlib.suppress(OSError):
            _remove(parent, parent, waiting.pop(), device, waiting)


def _remove(top: int, parent: int, name: str, device: int, waiting: list[str], depth: int = 0) -> None:
    if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
        _retried(parent, lambda: os.unlink(name, dir_fd=parent))
        return
    if depth >= _DEPTH:
        moved = f".deep-{os.urandom(8).hex()}"
        _retried(parent, lambda: os.rename(name, moved, src_dir_fd=parent, dst_dir_fd=top))
        waiting.append(moved)
        return
    try:
        descriptor = os.open(name, _OPEN_FOLDER, dir_fd=parent)
    except PermissionError:
        chmod_at(parent, name, 0o700)
        descriptor = os.open(name, _OPEN_FOLDER, dir_fd=parent)
    try:
        if os.fstat(descriptor).st_dev != device:
            return
        for entry in os.listdir(descriptor):
            with contextlib.suppress(OSError):
                _remove(top, descriptor, entry, device, waiting, depth + 1)
    finally:
        os.close(descriptor)
    _retried(parent, lambda: os.rmdir(name, dir_fd=parent))


def _retried(parent: int, action: Callable[[], None]) -> None:
    """Open the parent and try once more: extracted packages have read-only directories in places."""
    try:
        action()
    except PermissionError:
        os.fchmod(parent, 0o700)
        action()


def _has_mounts(parent: int, name: str) -> bool:
    """Return whether something is mounted at or below an entry. False where only the device tells (macOS)."""
    try:
        place = f"{os.readlink(f'/proc/self/fd/{parent}')}/{name}"
        with open(_MOUNTINFO, encoding="utf-8", errors="surrogateescape") as file:
            points = [_unescape(line.split(" ")[4]) for line in file]
    except (OSError, LookupError):
        return False
    return any(point == place or point.startswith(f"{place}/") for point in points)


def _unescape(text: str) -> str:
    for code, char in ((r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", "\\")):
        text = text.replace(code, char)
    return text

"""Sharing: files of a volume are open to everybody who shares it, whatever the umask of the user who made them."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from envkit.layout.volume import Volume

__all__ = ["make_shared", "shared_bits", "sharing"]


def shared_bits(mode: int) -> int:
    """Return the permissions that a volume gives to group and others when its root has this mode.

    In a sticky directory, such as ``/tmp``, users write only what is their own.
    """
    return mode & 0o077 & ~(0o022 if mode & stat.S_ISVTX else 0)


def make_shared(path: Path, shared: int) -> None:
    """Make a folder with at least the permissions `shared`, unless it exists."""
    try:
        path.mkdir()
    except FileExistsError:
        return
    mode = stat.S_IMODE(path.stat().st_mode)
    if shared & ~mode:
        path.chmod(mode | shared)


@contextlib.contextmanager
def sharing(volume: Volume) -> Iterator[None]:
    """Set a umask under which files made in the block are open to everybody who shares the volume.

    The umask belongs to the process, so no other thread may be making private files meanwhile.
    """
    shared = shared_bits(volume.root.stat().st_mode)
    before = os.umask(0o077)
    os.umask(before & ~shared)
    try:
        yield
    finally:
        os.umask(before)

"""Trust between the users of a volume: whose files in the caches are as good as one's own.

They are those of this user, of root and of the volume's owner. What another user put there he can write beside a
digest as well, so it is fetched or compiled again, under a name of one's own, unless the owner of the volume has
declared that he trusts its group (`envkit volume share --trust group`). For the same reason nobody else may write what
a user put there: it could be swapped between a look at it and its use.
"""

from __future__ import annotations

import functools
import json
import os
import stat
from pathlib import Path

from envkit.errors import TamperedError
from envkit.layout.private import Folder, folder, folder_mode, shared_bits, tampered, trusted_owners
from envkit.layout.volume import Volume

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def own_name(volume: Volume, place: Path, name: str) -> str:
    """Return the name below a folder of caches for what is called `name`: another one if a stranger has that.

    ``<name>.u<uid>`` holds what this user has fetched or made for himself.
    """
    try:
        state = os.lstat(place / name)
    except OSError:
        return name
    return name if _counts(volume, state) else f"{name}.u{os.geteuid()}"


def keep_name(volume: Volume, place: Path, name: str) -> str:
    """Return the name below a folder of caches under which this user keeps what he makes.

    It is his own where another has the plain one, which only that user may write.
    """
    try:
        theirs = os.lstat(place / name).st_uid != os.geteuid()
    except OSError:
        return name
    return f"{name}.u{os.geteuid()}" if theirs and guards_caches(volume) else own_name(volume, place, name)


def guards_caches(volume: Volume) -> bool:
    """Return whether others may write the volume, and must not change what a user put into its caches."""
    return bool(shared_bits(volume.root.stat().st_mode) & _OTHERS_WRITE) and not trusts_group(volume)


def cache_mode(volume: Volume) -> int:
    """Return the mode of a folder that a user makes in a cache."""
    mode = folder_mode(volume.root.stat().st_mode)
    return mode & ~(_OTHERS_WRITE | stat.S_ISVTX) if guards_caches(volume) else mode


def open_kept(volume: Volume, place: Path, *names: str) -> Folder:
    """Open a folder in a cache.

    Raises:
        TamperedError: It is not one that counts, or it is a link.
        FileNotFoundError: It is not there.
    """
    here = folder(volume.root, place)
    for name in names:
        with here:
            inner = here.enter(name)
        state = os.fstat(inner.descriptor)
        if not _counts(volume, state):
            inner.close()
            raise tampered(inner.path, f"owned by user {state.st_uid}, or open to others")
        here = inner
    return here


def _counts(volume: Volume, state: os.stat_result) -> bool:
    if trusts_group(volume):
        return True
    open_to_others = state.st_mode & _OTHERS_WRITE and guards_caches(volume)
    return state.st_uid in trusted_users(volume) and not open_to_others


def base_name(name: str) -> str:
    """Return what `own_name` made a name of."""
    return name.partition(".")[0]


def trusted_users(volume: Volume) -> frozenset[int]:
    """Return the users whose files count as this user's own; see `trusted_owners`."""
    return _owners(str(volume.root), os.geteuid())


@functools.lru_cache(maxsize=8)
def _owners(root: str, _: int) -> frozenset[int]:
    return trusted_owners(Path(root).stat())


def trusts_group(volume: Volume) -> bool:
    """Return whether the volume's owner, or root, has declared that all who may write the volume are trusted."""
    try:
        state = os.lstat(volume.volume_file)
    except OSError:
        return False
    return _declared(str(volume.root), state.st_ino, state.st_mtime_ns)


@functools.lru_cache(maxsize=8)
def _declared(root: str, inode: int, modified_ns: int) -> bool:  # noqa: ARG001 - they say that the file is another
    volume = Volume(Path(root))
    try:
        with folder(root, volume.private) as private:
            text, state = private.read_from(volume.volume_file.name)
            content = json.loads(text)
    except (OSError, ValueError, RecursionError, TamperedError):
        return False
    by_owner = state.st_uid in {0, Path(root).stat().st_uid} and not state.st_mode & 0o022
    return by_owner and isinstance(content, dict) and content.get("trust") == "group"

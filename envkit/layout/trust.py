"""Trust between the users of a volume: whose files in the caches are as good as one's own.

They are those of this user, of root and of the volume's owner. What another user put there he can write beside a
digest as well, so it is fetched or compiled again, under a name of one's own, unless the owner of the volume has
declared that he trusts its group (`envkit volume share --trust group`).
"""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path

from envkit.errors import TamperedError
from envkit.layout.private import folder, trusted_owners
from envkit.layout.volume import Volume


def own_name(volume: Volume, place: Path, name: str) -> str:
    """Return the name below a folder of caches for what is called `name`: another one if a stranger has that.

    ``<name>.u<uid>`` holds what this user has fetched or made for himself.
    """
    try:
        owner = os.lstat(place / name).st_uid
    except OSError:
        return name
    return name if owner in trusted_users(volume) or trusts_group(volume) else f"{name}.u{os.geteuid()}"


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
    except (OSError, ValueError, TamperedError):
        return False
    by_owner = state.st_uid in {0, Path(root).stat().st_uid} and not state.st_mode & 0o022
    return by_owner and isinstance(content, dict) and content.get("trust") == "group"

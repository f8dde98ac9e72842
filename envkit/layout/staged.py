"""Find the copy of a generation on this node's own disk. Runs before jobs: imports the standard library only."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from typing import Any

from envkit.errors import EnvkitError
from envkit.layout.private import read_file
from envkit.paths import GENERATIONS, MANIFEST, PRIVATE, STAGED, stage_root


def staged_copy(place: str, generation: str, digest: str) -> str | None:
    """Return the whole copy of a generation in a directory for copies: this user's, or root's; None if there is none.

    Args:
        digest: Hex sha256 of the manifest of what was copied.
    """
    for uid in dict.fromkeys((os.geteuid(), 0)):
        path = os.path.join(stage_root(place, uid), PRIVATE, GENERATIONS, generation)
        note = _read_note(place, uid, path)
        if note.get("digest") == digest:
            with contextlib.suppress(OSError):  # root's
                os.utime(os.path.join(path, STAGED))  # `clean --stage` takes what was not used for long
            return path
    return None


def staged_prefix(place: str, prefix: str) -> str | None:
    """Return the copy of a generation that is there, too; see `staged_copy`."""
    try:
        digest = hashlib.sha256(read_file(os.path.join(prefix, MANIFEST))).hexdigest()
    except (OSError, EnvkitError):
        return None
    return staged_copy(place, os.path.basename(prefix), digest)


def staged_by_name(place: str, root: str, name: str) -> str | None:
    """Return the newest copy of an environment whose volume is not there."""
    found: list[tuple[str, str]] = []
    for uid in dict.fromkeys((os.geteuid(), 0)):
        home = os.path.join(stage_root(place, uid), PRIVATE, GENERATIONS)
        with contextlib.suppress(OSError):
            for generation in os.listdir(home):
                note = _read_note(place, uid, os.path.join(home, generation))
                if (note.get("volume"), note.get("name")) == (root, name) and not generation.startswith("."):
                    found.append((str(note.get("created")), os.path.join(home, generation)))
    return max(found)[1] if found else None


def _read_note(place: str, uid: int, path: str) -> dict[str, Any]:
    """Return where a copy comes from; nothing if it is not there, or others may have written it."""
    try:
        for part in (stage_root(place, uid), path):
            state = os.lstat(part)
            if not stat.S_ISDIR(state.st_mode) or state.st_uid != uid or state.st_mode & 0o022:
                return {}
        note = json.loads(read_file(os.path.join(path, STAGED), limit=1 << 16))
    except (OSError, ValueError, RecursionError, EnvkitError):
        return {}
    return note if isinstance(note, dict) else {}

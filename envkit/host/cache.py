"""Small JSON files in the user's cache folder, for the next process.

They are replaced whole, trusted for a day, and ignored if anything about them is odd: a cache may cost time, never
truth.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Mapping

from envkit.host.tree import read_bounded

_LIFETIME_S = 24 * 3600  # for so long an entry is believed
_SCHEMA = 1
_LIMIT_BYTES = 1 << 20


def default_cache_dir(env: Mapping[str, str]) -> str | None:
    """Return ``platformdirs.user_cache_dir("envkit")`` without importing platformdirs; None without a home."""
    join = os.path.join
    if sys.platform == "win32":
        local = env.get("LOCALAPPDATA")
        return join(local, "envkit", "envkit", "Cache") if local else None
    if base := env.get("XDG_CACHE_HOME", "").strip():
        return join(base, "envkit")
    home = env.get("HOME")
    folder = join("Library", "Caches") if sys.platform == "darwin" else ".cache"
    return join(home, folder, "envkit") if home else None


def read_entry(folder: str | os.PathLike[str], name: str) -> dict[str, object] | None:
    """Return an entry; None if it is absent, unreadable, damaged, a day old, or of another user or schema."""
    path = os.path.join(folder, f"{name}.json")
    try:
        # In a folder that other users can write, one of them could have planted it.
        if hasattr(os, "geteuid") and os.lstat(path).st_uid != os.geteuid():
            return None
    except (OSError, ValueError):
        return None
    try:
        entry = json.loads(read_bounded(path, limit_bytes=_LIMIT_BYTES) or b"")
        if entry["schema_version"] != _SCHEMA or entry["name"] != name:
            return None
        fresh = 0 <= time.time() - entry["created"] < _LIFETIME_S
        return dict(entry) if fresh else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def write_entry(
    folder: str | os.PathLike[str], name: str, value: Mapping[str, object], *, created: float | None = None
) -> bool:
    """Keep `value`, found out at `created` (now if None), and remove old entries; return whether it was written."""
    entry = {**value, "schema_version": _SCHEMA, "name": name, "created": time.time() if created is None else created}
    temporary = os.path.join(folder, f".{name}-{os.getpid()}-{os.urandom(4).hex()}.tmp")
    try:
        os.makedirs(folder, exist_ok=True)
        # A unique name for each writer, then a rename: either file of two concurrent writers is whole.
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="utf-8") as stream:
            json.dump(entry, stream)
        os.replace(temporary, os.path.join(folder, f"{name}.json"))
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        return False
    _prune(folder)
    return True


def _prune(folder: str | os.PathLike[str]) -> None:
    oldest = time.time() - _LIFETIME_S
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.lstrip(".").startswith(("activated-", "driver-", "found-", "now-")):
                continue
            with contextlib.suppress(OSError):  # another process may prune at the same time
                if entry.stat(follow_symlinks=False).st_mtime < oldest:
                    os.unlink(entry.path)

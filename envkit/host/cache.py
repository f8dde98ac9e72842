"""What the detection child said, kept for the next process.

A file for each key, below the user's cache folder: replaced whole, believed for a day, and ignored whenever anything
about it is odd. The key holds what would change the answer: boot, driver, devices, libraries, variables.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from envkit.host.readings import Readings
from envkit.host.tree import read_bounded

__all__ = ["LIFETIME_S", "cache_key", "default_cache_dir", "read_cache", "write_cache"]

LIFETIME_S = 24 * 3600
"""Seconds for which an entry is believed."""

_SCHEMA = 1
_LIMIT_BYTES = 1 << 20
_VARIABLES = ("LD_LIBRARY_PATH", "LD_PRELOAD", "CUDA_DEVICE_ORDER", "CUDA_MPS_PIPE_DIRECTORY", "NVIDIA_VISIBLE_DEVICES")


def default_cache_dir(env: Mapping[str, str]) -> Path | None:
    """``platformdirs.user_cache_dir("envkit")`` for these variables, without its import; None without a home."""
    home = env.get("HOME") or env.get("USERPROFILE") or ""
    if sys.platform == "win32":
        local = env.get("LOCALAPPDATA")
        return Path(local) / "envkit" / "envkit" / "Cache" if local else None
    if sys.platform == "darwin":
        base = env.get("XDG_CACHE_HOME", "").strip()
        return Path(base) / "envkit" if base else Path(home) / "Library" / "Caches" / "envkit" if home else None
    base = env.get("XDG_CACHE_HOME", "").strip()
    return Path(base) / "envkit" if base else Path(home) / ".cache" / "envkit" if home else None


def cache_key(readings: Readings, env: Mapping[str, str], *, root: str = "/", nvidia_smi: str | None = None) -> str:
    """Sixteen hex digits of all that would change what the driver says."""
    what = {
        "schema": _SCHEMA,
        "root": root,
        "python": sys.prefix,
        "boot_id": readings.boot_id,
        "kernel": str(readings.kernel.version) if readings.kernel else None,
        "devices": asdict(readings.devices),
        "libraries": readings.libraries,
        "processor": readings.processor,
        "glibc": readings.glibc[0],
        "wsl_driver": readings.wsl_driver,
        "nvidia_smi": nvidia_smi,
        "variables": {name: env[name] for name in _VARIABLES if name in env},
    }
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def read_cache(folder: Path, key: str) -> list[dict[str, Any]] | None:
    """The child's lines of that key, or None: absent, unreadable, damaged, of another user, or a day old."""
    path = folder / f"host-{key}.json"
    try:
        # In a folder that others can write, one of them could have planted it.
        if hasattr(os, "geteuid") and path.lstat().st_uid != os.geteuid():
            return None
    except OSError:
        return None
    content = read_bounded(path, limit_bytes=_LIMIT_BYTES)
    try:
        entry = json.loads(content or b"")
        fresh = 0 <= time.time() - entry["created"] < LIFETIME_S
        lines: list[dict[str, Any]] = entry["lines"]
        whole = entry["schema_version"] == _SCHEMA and entry["key"] == key and isinstance(lines, list)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not (fresh and whole and all(isinstance(line, dict) for line in lines)):
        return None
    return lines


def write_cache(folder: Path, key: str, lines: Sequence[Mapping[str, Any]]) -> bool:
    """Keep the lines; False where the folder takes none. Entries older than a day go."""
    entry = {"schema_version": _SCHEMA, "key": key, "created": time.time(), "lines": list(lines)}
    temporary = folder / f".host-{os.getpid()}-{os.urandom(4).hex()}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # A name of its own for each writer, then a rename: of two at once, either's file is whole.
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="utf-8") as stream:  # noqa: PTH123 - of a descriptor
            json.dump(entry, stream)
        temporary.replace(folder / f"host-{key}.json")
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        return False
    _prune(folder)
    return True


def _prune(folder: Path) -> None:
    oldest = time.time() - LIFETIME_S
    for pattern in ("host-*.json", ".host-*.tmp"):
        for path in folder.glob(pattern):
            with contextlib.suppress(OSError):  # another process prunes too
                if path.lstat().st_mtime < oldest:
                    path.unlink()

"""The digest of a solution: the same packages, the same digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from envkit.models.build import Record

__all__ = ["digest"]


def digest(records: Iterable[Record]) -> str:
    """Return the hex sha256 over name, version, build, subdir and hash of each record, in any order."""
    lines = sorted(f"{r.subdir}/{r.fn} {r.sha256 or r.raw.get('md5')}" for r in records)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()

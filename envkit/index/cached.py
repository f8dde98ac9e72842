"""Where py-rattler keeps the index of a channel, what it noted beside it, and whether that may be used unasked.

Seen in py-rattler 0.28 (rattler_repodata_gateway, ``fetch/cache`` and ``gateway/sharded_subdir``). Names and notes are
those of conda and mamba, but for shards.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from envkit.index.table import Stamp
from envkit.patterns import regex
from envkit.values import dataclass

_PLAIN_URL = regex(r"(?:https?://[a-z0-9.-]+(?::\d+)?|file://)(?:/[A-Za-z0-9._~+@%-]+)+/?", re.ASCII)
_ODD_PART = regex(r"/\.{1,2}(?:/|$)|https?://[^/]*:(?:80|443)/")
_SHARDS = b"SHARD-CACHE-V1"
_LONGEST_NOTE = 1 << 20
_MAX_AGE = regex(r"max-age\s*=\s*\"?(\d+)")


@dataclass(frozen=True, slots=True)
class CachedIndex:
    """The index of one subdir of a channel, as this machine has it."""

    url: str  # of the subdir, without credentials
    folder: Path  # of the cache

    @staticmethod
    def of(channel_url: str, subdir: str, folder: Path) -> CachedIndex | None:
        """Return the index of a subdir; None if the URL is one that libraries write in different ways."""
        url = channel_url.rstrip("/")
        if not _PLAIN_URL.fullmatch(url) or _ODD_PART.search(url):
            return None
        return CachedIndex(f"{url}/{subdir}", folder)

    @property
    def is_local(self) -> bool:
        """Whether the channel is a folder of this machine, whose indexes are read in place."""
        return self.url.startswith("file://")

    @property
    def key(self) -> str:
        """What the names of its files in the cache begin with."""
        return _short_hash(self.url)

    @property
    def path(self) -> Path:
        """The flat index."""
        if self.is_local:
            return Path(unquote(urlsplit(self.url).path), "repodata.json")
        return self.folder / f"{self.key}.json"

    @property
    def table(self) -> Path:
        """The table of its names."""
        return self.folder / f"{self.key}.names"

    @property
    def notes(self) -> Path:
        """Notes on the answer that it came with."""
        return self.folder / f"{self.key}.info.json"

    def lacks_shards(self) -> bool:
        """Return whether the channel was asked for shards and had none, which is remembered for ever."""
        path = self.folder / f"{_short_hash(self.url + '/repodata_shards.msgpack.zst/')}.shards-cache-v1"
        with suppress(OSError), path.open("rb") as file:
            head = file.read(len(_SHARDS) + 4)
            if head.startswith(_SHARDS) and len(head) == len(_SHARDS) + 4:
                header = file.read(min(int.from_bytes(head[-4:], "little"), _LONGEST_NOTE))
                # The last member of a msgpack array: `not_found`, which is true. Nothing follows it.
                return header.endswith(b"\xc3") and not file.read(1)
        return False


@dataclass(frozen=True, slots=True)
class Notes:
    """What the server said of a flat index when it was fetched, or asked for again."""

    url: str  # of the file: ``repodata.json`` or ``repodata.json.zst``
    stamp: Stamp
    etag: str | None
    modified: str | None
    cache_control: str | None
    checked_s: float  # when it was last known to be that of the channel; seconds since 1970
    digest: str | None = None  # BLAKE2b of the file, 256 bits

    @property
    def is_fresh(self) -> bool:
        """Whether the channel allows to use it without asking (RFC 9111; as conda and rattler, ``max-age`` only)."""
        said = (self.cache_control or "").lower()
        found = _MAX_AGE.search(said)
        if found is None or "no-store" in said or "no-cache" in said:
            return False
        return 0 <= time.time() - self.checked_s < int(found[1])

    @property
    def conditions(self) -> dict[str, str]:
        """The headers that ask whether it is still the same."""
        said = {"If-None-Match": self.etag, "If-Modified-Since": self.modified}
        return {name: value for name, value in said.items() if value}


def read_notes(index: CachedIndex) -> Notes | None:
    """Read the notes on a flat index; None if there are none, or they are of another one."""
    try:
        with index.notes.open("rb") as file:
            said = json.loads(file.read(_LONGEST_NOTE))
        checked_s = index.notes.stat().st_mtime
        stamp = Stamp(int(said["size"]), int(said["mtime_ns"]))
        url = str(said["url"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    if url.rpartition("/")[0] != index.url:
        return None
    digest = _text(said, "blake2_hash")
    return Notes(url, stamp, _text(said, "etag"), _text(said, "mod"), _text(said, "cache_control"), checked_s, digest)


def _text(said: Mapping[str, Any], name: str) -> str | None:
    value = said.get(name)
    return value if isinstance(value, str) and value.isprintable() and value.isascii() else None


def _short_hash(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()[:8]

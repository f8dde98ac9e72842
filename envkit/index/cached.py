"""Where py-rattler keeps the index of a channel, what it noted beside it, and whether that may be used unasked.

Seen in py-rattler 0.28 (rattler_repodata_gateway, ``fetch/cache`` and ``gateway/sharded_subdir``). Names and notes are
those of conda and mamba, but for shards.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

from envkit.index.table import Stamp
from envkit.patterns import regex
from envkit.values import dataclass

_PART = r"/[A-Za-z0-9._~+@%-]+"
_PLAIN_URL = regex(rf"https?://[a-z0-9.-]+(?::\d+)?(?:{_PART})*|file://(?:{_PART})+", re.ASCII)
_ODD_PART = regex(r"/\.{1,2}(?:/|$)|https?://[^/]*:(?:80|443)/")
SHARD_LIST = "repodata_shards.msgpack.zst"
_SHARDS = b"SHARD-CACHE-V1"
_ABSENT = "max-age=600"  # a subdir that a server lacks is looked for again after that
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
        if not _PLAIN_URL.fullmatch(url) or _ODD_PART.search(f"{url}/"):
            return None
        return CachedIndex(f"{url}/{subdir}", folder)

    @property
    def is_local(self) -> bool:
        """True for a channel that is a folder of this machine; its indexes are read in place."""
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

    @property
    def absence(self) -> Path:
        """A note of envkit's that the server has no such subdir."""
        return self.folder / f"{self.key}.absent"

    @property
    def shards(self) -> Path:
        """The list of shards, with what was noted on the answer that it came with."""
        return self.folder / f"{_short_hash(f'{self.url}/{SHARD_LIST}/')}.shards-cache-v1"

    def is_here(self) -> bool:
        """Return whether it is in the cache, whole or as a list of shards."""
        with suppress(OSError), self.shards.open("rb") as file:
            if read_shard_header(file) is not None and file.read(1):
                return True
        return self.notes.exists()

    def lacks_shards(self) -> bool:
        """Return whether the channel was asked for shards and had none, which is remembered for ever."""
        with suppress(OSError), self.shards.open("rb") as file:
            header = read_shard_header(file)
            # The last member of a msgpack array: `not_found`, which is true. Nothing follows it.
            return header is not None and header.endswith(b"\xc3") and not file.read(1)
        return False


@dataclass(frozen=True, slots=True)
class Notes:
    """Headers of a server's answer for an index, from when it was fetched, or asked for again."""

    url: str  # of the file: ``repodata.json``, ``repodata.json.zst`` or the list of shards
    path: Path  # the file whose time of change says when the index was last known to be that of the channel
    etag: str | None
    modified: str | None
    cache_control: str | None
    checked_s: float  # that time; seconds since 1970
    status: int = 304  # of an answer that says that nothing changed
    stamp: Stamp | None = None  # of a flat index
    digest: str | None = None  # BLAKE2b of a flat index, 256 bits

    @property
    def is_fresh(self) -> bool:
        """Whether the channel allows to use it without asking."""
        return self.checked_s <= time.time() < self.until_s

    @property
    def until_s(self) -> float:
        """Until when the channel allows that (RFC 9111; as conda and rattler, ``max-age`` only)."""
        said = (self.cache_control or "").lower()
        found = _MAX_AGE.search(said)
        if found is None or "no-store" in said or "no-cache" in said:
            return 0
        return self.checked_s + int(found[1])

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
    etag, modified, control = (header_text(said.get(name)) for name in ("etag", "mod", "cache_control"))
    digest = header_text(said.get("blake2_hash"))
    return Notes(url, index.notes, etag, modified, control, checked_s, stamp=stamp, digest=digest)


def read_absence(index: CachedIndex) -> Notes | None:
    """Read the note that the server has no such subdir; None if there is none."""
    try:
        with index.absence.open("rb") as file:
            checked_s = os.fstat(file.fileno()).st_mtime
            url = file.read(_LONGEST_NOTE).decode()
    except (OSError, ValueError):
        return None
    return _absence(index, checked_s) if url == index.url else None


def suspect_absence(index: CachedIndex) -> Notes:
    """Return what to ask a server that seems to have no such subdir."""
    return _absence(index, 0)


def _absence(index: CachedIndex, checked_s: float) -> Notes:
    return Notes(f"{index.url}/repodata.json", index.absence, None, None, _ABSENT, checked_s, 404)


def read_shard_header(file: BinaryIO) -> bytes | None:
    """Read what is noted before a list of shards, as MessagePack; None if the file is another one."""
    head = file.read(len(_SHARDS) + 4)
    if not head.startswith(_SHARDS) or len(head) != len(_SHARDS) + 4:
        return None
    return file.read(min(int.from_bytes(head[-4:], "little"), _LONGEST_NOTE))


def header_text(value: Any) -> str | None:
    """Return the value of a header, if it is one that can be sent back."""
    return value if isinstance(value, str) and value.isprintable() and value.isascii() else None


def _short_hash(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()[:8]

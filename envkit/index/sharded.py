"""A sharded index (CEP 16): a list of names and hashes, and a file for each name, as py-rattler keeps those it fetched.

A shard that was not fetched yet is left to the native engine (`UnusualError`). Their names are hashes of what was sent,
which is not kept, so that they cannot be compared: the native engine reads them unasked, too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from envkit.index.cached import SHARD_LIST, CachedIndex, Notes, header_text, read_shard_header
from envkit.index.entry import UnusualError, merged, plain_record
from envkit.index.flat import Lines, is_simple
from envkit.index.split import name_of_dependency
from envkit.values import dataclass, field

_HASHES = {"md5": 16, "legacy_bz2_md5": 16, "sha256": 32}
_SECTIONS = ("packages", "packages.conda")
_LARGEST = 512 << 20


@dataclass(frozen=True, slots=True)
class ShardedIndex:
    """The sharded index of one subdir."""

    subdir: str
    folder: Path  # of the shards
    shards: Mapping[str, bytes] = field(repr=False)  # the SHA-256 of the shard of each name
    identity: str  # another one for any other content

    @property
    def info(self) -> Mapping[str, Any]:
        """The member ``info`` of a flat index with these records."""
        return {"subdir": self.subdir}

    def names(self) -> list[str]:
        """List the names of the records."""
        return list(self.shards)

    def depends(self, name: str) -> list[str]:
        """Return the names that the records of a name depend on.

        Raises:
            UnusualError: The native engine has to look at it.
        """
        found = dict.fromkeys(
            text for section in self._sections(name) for entry in section.values() for text in _depends(entry)
        )
        return list(dict.fromkeys(map(name_of_dependency, found)))

    def content(self, name: str) -> str:
        """Return a text that changes with the records of a name; empty if there are none."""
        shard = self.shards.get(name)
        return shard.hex() if shard is not None else ""

    def records(self, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the file and the members of each record of a name.

        Raises:
            UnusualError: The native engine has to look at one of them.
        """
        for file, entry in merged(*self._sections(name)):
            if file.rsplit("-", 2)[0] != name or not entry.get("subdir"):
                raise UnusualError(name)
            yield file, plain_record(entry, name, self.subdir)

    def lines(self, name: str) -> Lines:
        """Return the records of a name as they would stand in a flat index.

        Raises:
            UnusualError: The native engine has to look at one of them.
        """
        packages, conda = self._sections(name)
        return Lines(_lines(packages), _lines(conda))

    def _sections(self, name: str) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
        """Read the shard of a name: the records of both formats by file, hashes written as in a flat index."""
        import msgspec

        shard = self.shards.get(name)
        if shard is None:
            return {}, {}
        try:
            with (self.folder / f"{shard.hex()}.msgpack").open("rb") as file:
                found = msgspec.msgpack.decode(file.read(_LARGEST), type=dict[str, Any])
            removed = set(found.get("removed") or ())
        except (OSError, msgspec.DecodeError, ValueError, TypeError, RecursionError) as error:
            raise UnusualError(name) from error
        if found.get("v3"):
            raise UnusualError(name)
        packages, conda = (_entries(found.get(section, {}), removed, name) for section in _SECTIONS)
        return packages, conda


def _entries(section: Any, removed: set[Any], name: str) -> dict[str, dict[str, Any]]:
    if not isinstance(section, dict):
        raise UnusualError(name)
    kept: dict[str, dict[str, Any]] = {}
    for file, entry in section.items():
        if not isinstance(file, str) or not isinstance(entry, dict):
            raise UnusualError(name)
        if file not in removed:
            for member, size in _HASHES.items():
                value = entry.get(member)
                if value is not None:
                    if not isinstance(value, bytes) or len(value) != size:
                        raise UnusualError(name)
                    entry[member] = value.hex()
            kept[file] = entry
    return kept


def _depends(entry: Mapping[str, Any]) -> list[str]:
    depends = entry.get("depends", [])
    if not isinstance(depends, list) or not all(isinstance(text, str) for text in depends):
        raise UnusualError(str(entry.get("name")))
    return depends


def _lines(section: Mapping[str, Mapping[str, Any]]) -> list[bytes]:
    try:
        return [f"{json.dumps(file)}:{json.dumps(entry)}".encode() for file, entry in section.items()]
    except (TypeError, ValueError) as error:
        raise UnusualError("no JSON") from error


def read_shard_notes(index: CachedIndex) -> Notes | None:
    """Read the notes on a list of shards; None if there is none, or it is of another channel."""
    import msgspec

    try:
        with index.shards.open("rb") as file:
            header = read_shard_header(file)
        checked_s = index.shards.stat().st_mtime
        policy, missing = msgspec.msgpack.decode(header or b"")
        headers, url = policy[1], policy[2]
        texts = {name: b",".join(map(bytes, values)).decode() for name, values in headers.items()}
    except (OSError, msgspec.DecodeError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None
    if missing is not False or url != f"{index.url}/{SHARD_LIST}":
        return None
    etag, modified, control = (header_text(texts.get(name)) for name in ("etag", "last-modified", "cache-control"))
    return Notes(url, index.shards, etag, modified, control, checked_s)


def open_sharded(index: CachedIndex, subdir: str) -> ShardedIndex | None:
    """Open a sharded index; None if it is not here, or is not one that stands for itself."""
    import msgspec

    try:
        with index.shards.open("rb") as file:
            if read_shard_header(file) is None:
                return None
            content = file.read(_LARGEST)
        found = msgspec.msgpack.decode(content, type=dict[str, Any])
        info = msgspec.convert(found["info"], dict[str, Any])
        shards = msgspec.convert(found["shards"], dict[str, bytes])
    except (OSError, msgspec.DecodeError, ValueError, TypeError, LookupError, RecursionError):
        return None
    base = str(info.get("base_url")).rstrip("/")
    if base not in {"", ".", index.url} or not is_simple(info) or any(len(shard) != 32 for shard in shards.values()):
        return None
    identity = hashlib.blake2b(content, digest_size=16).hexdigest()
    return ShardedIndex(subdir, index.folder / "shards-v1", shards, identity)

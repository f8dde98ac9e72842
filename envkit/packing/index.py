"""The index of a pack, its first member: everything that is in it, with digests, so that nothing else is believed.

A pack may come from anywhere. Its index is checked before a byte of the rest is written: plain relative paths, links
that stay inside, nothing below a link, sizes that the reader can hold the content to.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import Any

from envkit.checks.package import check_link_target
from envkit.errors import IntegrityError
from envkit.models.manifest import Manifest, ValidationRecord
from envkit.models.pack import Embedded, PackedFile, PackIndex
from envkit.paths import INVENTORY, MANIFEST, PACKED, PROFILES, STAGED

INDEX = ".envkit-pack.json"
"""Path of the index in a pack."""
OF_THIS_PLACE = (INVENTORY, PACKED, PROFILES, STAGED)
"""Files in a generation that say something of where it is, and do not travel."""
LARGEST_INDEX_BYTES = 256 << 20
"""The largest index that is read: environments of 5 GB have 100,000 files, of 200 bytes each."""

_SCHEMA = 1
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")
_KINDS = {"f": "file", "l": "link", "d": "folder"}
_LETTERS = {kind: letter for letter, kind in _KINDS.items()}
_LONGEST_PATH = 1024
_DEEPEST = 64
_MODES = ("text", "binary")


def render_index(index: PackIndex) -> bytes:
    """Return the index as it stands in a pack; equal indexes are equal bytes."""
    embedded = sorted({file.embedded for file in index.files if file.embedded}, key=lambda e: (e.mode, e.text, e.room))
    number = {value: place for place, value in enumerate(embedded)}
    rows = [
        [
            _LETTERS[file.kind],
            file.path,
            *([file.target] if file.kind == "link" else []),
            *([file.mode, file.mtime, file.size, file.sha256] if file.kind == "file" else []),
            *([number[file.embedded]] if file.embedded else []),
        ]
        for file in index.files
    ]
    document = {
        "schema_version": _SCHEMA,
        "prefix": index.prefix,
        "subdir": index.subdir,
        "manifest": index.manifest.to_json(),
        "validations": [record.to_json() for record in index.validations],
        "extras": sorted(index.extras),
        "embedded": [[value.mode, value.text, value.room] for value in embedded],
        "files": rows,
    }
    head = json.dumps({key: value for key, value in document.items() if key != "files"}, ensure_ascii=False)
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    return f'{head[:-1]}, "files": [\n{lines}\n]}}\n'.encode("utf-8", "surrogateescape")


def parse_index(data: bytes, name: str) -> PackIndex:
    """Read the index of a pack.

    Args:
        name: What errors call the pack.

    Raises:
        IntegrityError: It is none, was written by a newer envkit, or lists what would be written outside the prefix.
    """
    try:
        document = json.loads(data.decode("utf-8", "surrogateescape"))
        if document["schema_version"] != _SCHEMA:
            raise IntegrityError(
                f"{name} was written by a newer envkit (form {document['schema_version']!a})",
                hint="Update envkit here, or pack it again with this one.",
            )
        embedded = [_embedded(row) for row in document["embedded"]]
        files = tuple(_file(row, embedded) for row in document["files"])
        index = PackIndex(
            prefix=_text(document["prefix"]),
            subdir=_text(document["subdir"]),
            manifest=Manifest.from_json(document["manifest"]),
            files=files,
            extras=frozenset(map(_text, document["extras"])),
            validations=tuple(ValidationRecord.from_json(record) for record in document["validations"]),
        )
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        shown = type(error).__name__ if isinstance(error, KeyError) else str(error)[:200]
        raise no_pack(name, f"its index cannot be read: {shown}") from error
    fault = _fault(index.files)
    if fault is not None:
        raise IntegrityError(
            f"{name} is refused: {fault}",
            hint="It would write where it must not. Nothing of it was written; ask whoever made it.",
        )
    return index


def no_pack(name: str, why: str) -> IntegrityError:
    """Return the error about a file that is no pack, or a damaged one."""
    return IntegrityError(
        f"{name} is not a whole pack of envkit: {why}",
        hint="Copy it again and compare its sha256 with the one that `envkit pack` printed, or pack it again.",
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{str(value)[:80]!r} is no text")
    return value


def _number(value: object, most: int) -> int:
    if not isinstance(value, int) or not 0 <= value <= most:
        raise ValueError(f"{str(value)[:80]!r} is no number up to {most}")
    return value


def _embedded(row: Sequence[Any]) -> Embedded:
    mode, text, room = row
    if mode not in _MODES or not _text(text).startswith("/") or "\0" in text:
        raise ValueError("a prefix in it is none")
    return Embedded(mode, text, _number(room, 1 << 16))


def _file(row: Sequence[Any], embedded: Sequence[Embedded]) -> PackedFile:
    kind, path, rest = row[0], _text(row[1]), list(row[2:])
    if kind == "f":
        mode, mtime, size, digest = rest[:4]
        if not _DIGEST.match(_text(digest)):
            raise ValueError(f"the digest of {path[:80]!r} is none")
        place = embedded[_number(rest[4], len(embedded) - 1)] if len(rest) > 4 else None
        modes = (_number(mode, 0o777), _number(mtime, 1 << 40), _number(size, 1 << 50))
        return PackedFile(path, "file", *modes, digest, embedded=place)
    if kind == "l":
        return PackedFile(path, "link", 0o777, target=_text(rest[0]))
    if kind == "d":
        return PackedFile(path, "folder")
    raise ValueError(f"{path[:80]!r} is neither a file, a link nor a folder")


def _fault(files: Sequence[PackedFile]) -> str | None:
    """Return why a list of files would write outside its prefix, or is none; None where it would not."""
    kinds: dict[str, str] = {}
    for file in files:
        path = file.path
        shown = repr(path[:200])
        parts = path.split("/")
        odd = not path or len(path) > _LONGEST_PATH or len(parts) > _DEEPEST or "\0" in path or "\n" in path
        if odd or path.startswith("/") or {"", ".", ".."} & set(parts):
            return f"{shown} is not a plain path below the prefix"
        if path in kinds:
            return f"{shown} is listed twice"
        kinds[path] = file.kind
        if file.kind == "link" and (fault := check_link_target(path, file.target)) is not None:
            return fault
    if kinds.get(MANIFEST) != "file":
        return "it has no manifest"
    return _fault_above(kinds)


def _fault_above(kinds: Mapping[str, str]) -> str | None:
    parents = {posixpath.dirname(path) for path in kinds}
    while parents:
        for parent in parents:
            if parent in kinds:
                return f"{parent[:200]!r} is a {kinds[parent]} and has something below it"
        parents = {posixpath.dirname(parent) for parent in parents if parent} - {""}
    return None

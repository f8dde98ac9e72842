"""Read an ``@EXPLICIT`` file (CEP 23): the URL of a package in each line, with its hash where it has one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from envkit.builds.record import record_from_repodata
from envkit.checks.package import check_record
from envkit.errors import RecipeError
from envkit.inputs.made_for import read_made_for
from envkit.inputs.text import decode_text
from envkit.models.build import Record
from envkit.models.channel import Channel, parse_channel
from envkit.models.inputs import Locked, LockedDistribution, LockFile
from envkit.patterns import regex

_HASH = regex(r"(?:(?:sha256:)?(?P<sha256>[0-9a-fA-F]{64})|(?P<md5>[0-9a-fA-F]{32}))\Z")
_MARK = regex(r"^\s*@EXPLICIT\s*$", re.MULTILINE)
_PLATFORM = regex(r"#\s*platform:\s*(\S+)")
# conda-lock's way to keep the Python distributions beside the packages.
_PIP = regex(r"#\s*pip\s+(\S+) @ (\S+?)(?:#sha256=|\s+--hash=sha256:)([0-9a-fA-F]{64})\s*\Z")
_OLD_HOST, _NEW_HOST = regex(r"^https?://repo\.continuum\.io/"), "https://repo.anaconda.com/"  # it was renamed
FORMAT = "@EXPLICIT file"


def is_explicit(text: str) -> bool:
    """Recognise an ``@EXPLICIT`` file by its first marker line."""
    return _MARK.search(text) is not None


def parse_explicit(data: bytes, path: Path) -> LockFile:
    """Parse an ``@EXPLICIT`` file; its URLs tell the names of the records, and no dependencies.

    A line without a hash becomes a record without digests: `envkit.api.lookup` completes it from the channel's index.
    """
    records: dict[str, Record] = {}
    channels: dict[str, Channel] = {}
    distributions: list[LockedDistribution] = []
    platform: str | None = None
    text = decode_text(data, path)
    for number, line in enumerate(text.splitlines(), 1):
        entry = line.strip()
        if found := _PLATFORM.match(entry):
            platform = found[1]
        if found := _PIP.match(entry):
            distributions.append(LockedDistribution(found[1], None, found[2], (("sha256", found[3].lower()),)))
        if not entry or entry.startswith("#") or entry == "@EXPLICIT":
            continue
        record, channel = _record(entry, f"{path}:{number}")
        if record.name in records and records[record.name].fn != record.fn:
            raise RecipeError(f"{path}:{number}: {record.name} is there twice", hint="One environment has it once.")
        records[record.name] = record
        channels.setdefault(channel.url, channel)
    if not records:
        raise RecipeError(f"{path} names no package", hint="CEP 23: @EXPLICIT, then one URL in each line.")
    subdirs = {record.subdir for record in records.values()} - {"noarch"}
    part = Locked(
        str(path),
        tuple(records[name] for name in sorted(records)),
        tuple(channels.values()),
        platform=min(subdirs) if len(subdirs) == 1 else None if subdirs else platform,
        distributions=tuple(distributions),
    )
    return LockFile(str(path), FORMAT, (part,), made_for=read_made_for(text))


def _record(entry: str, place: str) -> tuple[Record, Channel]:
    url, _, digest = entry.partition("#")
    found = _HASH.match(digest)
    parts = url.strip().rsplit("/", 2)
    if len(parts) != 3 or "://" not in url or not parts[2].endswith((".conda", ".tar.bz2")):
        raise RecipeError(f"{place}: not the URL of a package", hint="CEP 23: one URL in each line.")
    if found is None and digest:
        raise RecipeError(
            f"{place}: {parts[2]} has a hash that is none", hint="After # stands sha256: and 64 digits, or 32 of md5."
        )
    try:
        channel = parse_channel(_OLD_HOST.sub(_NEW_HOST, parts[0]))
    except ValueError:  # do not quote the error: it may contain a password
        raise RecipeError(
            f"{place}: {parts[2]} is in no channel: its URL cannot be read",
            hint="CEP 23: one URL in each line; a space in it is written %20.",
        ) from None
    digests = found.groupdict() if found is not None else {}
    raw: Mapping[str, Any] = {key: value.lower() for key, value in digests.items() if value}
    record = record_from_repodata(raw, unquote(parts[2]), channel.url, parts[1])
    fault = check_record(record)
    if fault is not None:
        raise RecipeError(
            f"{place}: {fault}", hint="CEP 23: .../SUBDIR/NAME-VERSION-BUILD.conda#sha256:... in each line."
        )
    return record, channel

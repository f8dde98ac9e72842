"""Read an ``@EXPLICIT`` file (CEP 23): the URL of a package in each line, with its hash."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from envkit.builds.record import record_from_repodata
from envkit.checks.package import check_record
from envkit.errors import RecipeError
from envkit.models.build import Record
from envkit.models.channel import Channel, parse_channel
from envkit.models.inputs import Locked

_HASH = re.compile(r"(?:(?:sha256:)?(?P<sha256>[0-9a-fA-F]{64})|(?P<md5>[0-9a-fA-F]{32}))\Z")
_MARK = re.compile(rb"^\s*@EXPLICIT\s*$", re.MULTILINE)


def is_explicit(data: bytes) -> bool:
    """Recognise an ``@EXPLICIT`` file by its first marker line."""
    return _MARK.search(data) is not None


def parse_explicit(data: bytes, path: Path) -> Locked:
    """Parse an ``@EXPLICIT`` file; its URLs tell the names of the records, and no dependencies."""
    records: dict[str, Record] = {}
    channels: dict[str, Channel] = {}
    try:
        lines = data.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        raise RecipeError(f"{path} cannot be read: it is not UTF-8", hint="CEP 23: one URL in each line.") from None
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#") or text == "@EXPLICIT":
            continue
        url, _, digest = text.partition("#")
        found = _HASH.match(digest)
        parts = url.rsplit("/", 2)
        if len(parts) != 3 or "://" not in url or not parts[2].endswith((".conda", ".tar.bz2")):
            raise RecipeError(f"{path}:{number}: not the URL of a package", hint="CEP 23: one URL in each line.")
        if found is None:
            raise RecipeError(
                f"{path}:{number}: {parts[2]} has no hash",
                hint="envkit installs nothing that it cannot verify: add #sha256:... (conda list --explicit --sha256).",
            )
        try:
            channel = parse_channel(parts[0])
        except ValueError:  # do not quote the error: it may contain a password
            raise RecipeError(
                f"{path}:{number}: {parts[2]} is in no channel: its URL cannot be read",
                hint="CEP 23: one URL in each line; a space in it is written %20.",
            ) from None
        raw: Mapping[str, Any] = {key: value.lower() for key, value in found.groupdict().items() if value}
        record = record_from_repodata(raw, unquote(parts[2]), channel.url, parts[1])
        fault = check_record(record)
        if fault is not None:
            raise RecipeError(
                f"{path}:{number}: {fault}", hint="CEP 23: .../SUBDIR/NAME-VERSION-BUILD.conda#sha256:... in each line."
            )
        if record.name in records and records[record.name].fn != record.fn:
            raise RecipeError(f"{path}:{number}: {record.name} is there twice", hint="One environment has it once.")
        records[record.name] = record
        channels.setdefault(channel.url, channel)
    if not records:
        raise RecipeError(f"{path} names no package", hint="CEP 23: @EXPLICIT, then one URL in each line.")
    return Locked(str(path), tuple(records[name] for name in sorted(records)), tuple(channels.values()))

"""From the raw dictionary of an index to a `Record`, whatever is missing in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from envkit.models.build import Record


def _text(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list | tuple):
        return tuple(item for item in value if isinstance(item, str))
    return ()


def _number(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else None


def record_from_repodata(raw: Mapping[str, Any], fn: str, channel_url: str, subdir: str) -> Record:
    """Read one entry of ``packages`` or ``packages.conda`` (CEP 36).

    Args:
        raw: The entry; kept as it is in `Record.raw`.
        fn: Its key, the file name, which fills in name, version and build where the entry lacks them.
        channel_url: Base URL or name of the channel, without credentials: nothing is stripped here.
    """
    stem = fn.removesuffix(".conda").removesuffix(".tar.bz2")
    name, version, build = ([*stem.rsplit("-", 2), "", ""])[:3] if stem.count("-") > 1 else (stem, "", "")
    own_subdir = _text(raw.get("subdir")) or subdir
    url = _text(raw.get("url")) or (f"{channel_url.rstrip('/')}/{own_subdir}/{fn}" if channel_url else "")
    return Record(
        name=(_text(raw.get("name")) or name).lower(),
        version=_text(raw.get("version")) or version,
        build=_text(raw.get("build")) or build,
        build_number=_number(raw.get("build_number")) or 0,
        subdir=own_subdir,
        fn=fn,
        url=url,
        channel=channel_url,
        depends=_texts(raw.get("depends")),
        constrains=_texts(raw.get("constrains")),
        size=_number(raw.get("size")),
        sha256=_text(raw.get("sha256")) or None,
        timestamp=_number(raw.get("timestamp")),
        raw=raw,
    )

"""What any conda prefix holds, as a lock would list it: conda, mamba, micromamba, pixi and envkit write the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from envkit.builds.record import record_from_repodata
from envkit.checks.package import check_record
from envkit.errors import IntegrityError
from envkit.models.build import Record
from envkit.models.channel import Channel, parse_channel

# Members of a record in conda-meta that a channel's index has, too.
_MEMBERS = (
    *("name", "version", "build", "build_number", "subdir", "depends", "constrains", "md5", "sha256", "size"),
    *("timestamp", "license", "license_family", "noarch", "track_features", "features", "arch", "platform"),
    "python_site_packages_path",
)


def prefix_records(prefix: Path) -> tuple[tuple[Record, ...], tuple[Channel, ...]]:
    """Read the packages of a prefix from ``conda-meta`` (CEP 32), and their channels; without credentials.

    Raises:
        IntegrityError: A record cannot be read, or does not say where its package is from.
    """
    records: dict[str, Record] = {}
    channels: dict[str, Channel] = {}
    for path in sorted((prefix / "conda-meta").glob("*.json")):
        try:
            raw = json.loads(path.read_bytes())
            record, channel = _read(raw)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise IntegrityError(
                f"conda-meta/{path.name} cannot be read ({type(error).__name__})",
                hint=f"See `envkit doctor {prefix}`.",
            ) from None
        records[record.name] = record
        channels.setdefault(channel.url, channel)
    return tuple(records[name] for name in sorted(records)), tuple(channels.values())


def _read(raw: dict[str, Any]) -> tuple[Record, Channel]:
    url = str(raw["url"])
    before, _, fn = url.rpartition("/")
    base, _, subdir = before.rpartition("/")
    channel = parse_channel(base)
    kept = {key: raw[key] for key in _MEMBERS if raw.get(key) is not None}
    record = record_from_repodata(kept, str(raw.get("fn") or fn), channel.url, str(raw.get("subdir") or subdir))
    if not record.fn.endswith((".conda", ".tar.bz2")) or check_record(record) is not None:
        raise ValueError("no record")
    return record, channel


def added_distributions(prefix: Path) -> tuple[tuple[str, str], ...]:
    """Return name and version of each Python distribution that no conda package brought (PEP 376)."""
    recorded: set[str] = set()
    for path in (prefix / "conda-meta").glob("*.json"):
        try:
            recorded.update(name for name in json.loads(path.read_bytes()).get("files", ()) if "METADATA" in str(name))
        except (OSError, ValueError, RecursionError, AttributeError, TypeError):
            continue
    found = []
    for info in sorted(prefix.glob("lib/python3*/site-packages/*.dist-info")):
        if f"{info.relative_to(prefix)}/METADATA" not in recorded:
            name, _, version = info.name.removesuffix(".dist-info").rpartition("-")
            found.append((name.replace("_", "-").lower(), version))
    return tuple(found)


def requested_specs(prefix: Path) -> tuple[str, ...]:
    """Return the specs that the user of a prefix asked for, as ``conda-meta`` keeps them; empty where it does not."""
    specs: dict[str, str] = {}
    for path in sorted((prefix / "conda-meta").glob("*.json")):
        try:
            raw = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError):
            continue
        listed = raw.get("requested_specs") or raw.get("requested_spec") if isinstance(raw, dict) else None
        for spec in [listed] if isinstance(listed, str) else listed if isinstance(listed, list) else ():
            if isinstance(spec, str) and spec not in {"", "None"}:
                specs.setdefault(spec, spec)
    return tuple(specs)

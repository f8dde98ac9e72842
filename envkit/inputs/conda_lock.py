"""Read a conda-lock.yml (CEP 37)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from envkit.builds.record import record_from_repodata
from envkit.checks.package import check_record
from envkit.errors import RecipeError
from envkit.inputs.made_for import read_made_for
from envkit.inputs.text import decode_text
from envkit.inputs.yaml import parse_large_yaml
from envkit.models.build import Record
from envkit.models.channel import Channel, parse_channel
from envkit.models.inputs import Locked, LockedDistribution, LockFile
from envkit.patterns import regex

FORMAT = "conda-lock.yml"
_MARKS = (regex(r"^metadata:\s*$", re.MULTILINE), regex(r"^package:\s*(\[\])?\s*$", re.MULTILINE))
_HINT = "CEP 37: version, metadata and package; each package has name, version, manager, platform, url and hash."
_MAIN = "main"


def is_conda_lock(text: str) -> bool:
    """Recognise a conda-lock.yml by its keys ``metadata:`` and ``package:``."""
    return all(mark.search(text) for mark in _MARKS)


def parse_conda_lock(data: bytes, path: Path) -> LockFile:
    """Parse a conda-lock.yml: one part for each platform, and one more for each category besides ``main``.

    Packages of a category are installed together with those of ``main``.
    """
    text = decode_text(data, path)
    try:
        content = parse_large_yaml(text)
    except ValueError as error:
        raise RecipeError(f"{path} is a {FORMAT}, and is not YAML: {error}", hint=_HINT) from None
    if not isinstance(content, dict) or not isinstance(content.get("package"), list):
        raise RecipeError(f"{path} is a {FORMAT} without a list of packages", hint=_HINT)
    if str(content.get("version") or "1") != "1":
        raise RecipeError(
            f"{path} is a {FORMAT} of version {content['version']}; version 1 can be read",
            hint="Write it again with conda-lock, or give its environment.yml.",
        )
    entries = [_entry(item, f"{path}, package {number}") for number, item in enumerate(content["package"], 1)]
    platforms = dict.fromkeys(entry["platform"] for entry in entries)
    extra = dict.fromkeys(category for entry in entries for category in entry["categories"] if category != _MAIN)
    parts = []
    for platform in platforms:
        here = [entry for entry in entries if entry["platform"] == platform]
        parts += [_part(path, platform, category, here) for category in (_MAIN, *extra)]
    if not parts:
        raise RecipeError(f"{path} is a {FORMAT} that names no package", hint=_HINT)
    return LockFile(str(path), FORMAT, tuple(parts), made_for=read_made_for(text))


def _entry(item: object, place: str) -> dict[str, Any]:
    """Check the types of one package."""
    if not isinstance(item, dict):
        raise RecipeError(f"{place}: it is no mapping", hint=_HINT)
    for key in ("name", "version", "manager", "platform", "url"):
        if not isinstance(item.get(key), str) or not item[key]:
            raise RecipeError(f"{place}: {key} is missing", hint=_HINT)
    name = f"{place} ({str(item['name'])[:80]})"
    if item["manager"] not in {"conda", "pip"}:
        raise RecipeError(f"{name}: manager is neither conda nor pip", hint=_HINT)
    digests, needs = item.get("hash") or {}, item.get("dependencies") or {}
    if not isinstance(digests, dict) or not all(isinstance(value, str) for value in digests.values()):
        raise RecipeError(f"{name}: hash is no mapping of digests", hint=_HINT)
    if not isinstance(needs, dict) or not all(isinstance(value, str) for value in needs.values()):
        raise RecipeError(f"{name}: dependencies is no mapping of names to versions", hint=_HINT)
    # conda-lock 3 writes `categories: [main, dev]` in some of its files, CEP 37 `category: main`.
    categories = item.get("categories") or [item.get("category") or _MAIN]
    if not isinstance(categories, list) or not all(isinstance(value, str) for value in categories):
        raise RecipeError(f"{name}: category is no word", hint=_HINT)
    return {**item, "hash": digests, "dependencies": needs, "categories": categories, "place": name}


def _part(path: Path, platform: str, category: str, entries: Sequence[Mapping[str, Any]]) -> Locked:
    records: dict[str, Record] = {}
    channels: dict[str, Channel] = {}
    distributions: list[LockedDistribution] = []
    for entry in entries:
        if not {_MAIN, category} & set(entry["categories"]):
            continue
        if entry["manager"] == "pip":
            hashes = tuple(sorted(entry["hash"].items()))
            distributions.append(LockedDistribution(entry["name"], entry["version"], entry["url"], hashes))
            continue
        record, channel = _record(entry)
        if record.name in records and records[record.name].fn != record.fn:
            raise RecipeError(
                f"{entry['place']}: it is there twice for {platform}", hint="One environment has it once."
            )
        records[record.name] = record
        channels.setdefault(channel.url, channel)
    return Locked(
        str(path),
        tuple(records[name] for name in sorted(records)),
        tuple(channels.values()),
        platform=platform,
        environment=category if category != _MAIN else "default",
        distributions=tuple(distributions),
    )


def _record(entry: Mapping[str, Any]) -> tuple[Record, Channel]:
    base, _, fn = entry["url"].partition("#")[0].rpartition("/")
    before, _, subdir = base.rpartition("/")
    try:
        channel = parse_channel(before)
    except ValueError:  # do not quote the error: it may contain a password
        raise RecipeError(f"{entry['place']}: its URL cannot be read", hint=_HINT) from None
    if not fn.endswith((".conda", ".tar.bz2")):
        raise RecipeError(f"{entry['place']}: its URL names no conda package", hint=_HINT)
    needs = [f"{name} {version}".strip() for name, version in sorted(entry["dependencies"].items())]
    digests = {kind: entry["hash"][kind].lower() for kind in ("md5", "sha256") if entry["hash"].get(kind)}
    raw = {**digests, "depends": needs}
    record = record_from_repodata(raw, unquote(fn), channel.url, subdir)
    fault = check_record(record)
    if fault is None and (record.name, record.version) != (entry["name"].lower(), entry["version"]):
        fault = f"its URL names {record.name} {record.version}"
    if fault is not None:
        raise RecipeError(f"{entry['place']}: {fault}", hint=_HINT)
    return record, channel

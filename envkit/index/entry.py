"""Records of an index as the native engine gives them: known members only, in its order.

What it would change, refuse or fill in is not repeated here: such a record is left to it (`UnusualError`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from envkit.patterns import regex

_MEMBERS = (
    "arch", "build", "build_number", "constrains", "depends", "features", "legacy_bz2_md5", "legacy_bz2_size",
    "license", "license_family", "md5", "name", "noarch", "platform", "python_site_packages_path", "sha256", "size",
    "subdir", "timestamp", "track_features", "version",
)  # fmt: skip
# Newer members, which few indexes have so far and which are read into other forms.
_RICH = ("extra_depends", "flags", "purls", "run_exports")
_NEEDED = ("build", "build_number", "name", "version")
_VERSION = regex(r"(?:\d+!)?[0-9A-Za-z]+(?:[._][0-9A-Za-z]+)*(?:\+[0-9A-Za-z]+(?:[._][0-9A-Za-z]+)*)?", re.ASCII)
_MD5 = regex(r"[0-9a-f]{32}")
_SHA256 = regex(r"[0-9a-f]{64}")
_LARGEST = 1 << 53


class UnusualError(Exception):
    """A record is broken, or unlike those that are read here."""


def read_entries(content: bytes) -> dict[str, Any]:
    """Decode records that follow each other in an index: their keys, and what is said of each.

    Raises:
        UnusualError: That is not what the content is.
    """
    if b"\\ud" in content.lower():  # half a character is an error for the native engine
        raise UnusualError("surrogates")
    try:
        found = json.loads(b"{" + content + b"}")
    except (ValueError, RecursionError) as error:
        raise UnusualError("no records") from error
    if not isinstance(found, dict):
        raise UnusualError("no records")
    return found


def plain_record(entry: Any, name: str, subdir: str) -> dict[str, Any]:
    """Return what is said of a record of that name.

    Raises:
        UnusualError: The native engine has to look at it.
    """
    if not isinstance(entry, dict) or any(entry.get(member) is not None for member in _RICH):
        raise UnusualError(name)
    found: dict[str, Any] = {}
    for member in _MEMBERS:
        value = entry.get(member)
        if value is None:
            if member in _NEEDED or (member in entry and member in _LISTS):
                raise UnusualError(name)
            continue
        if not _CHECKS[member](value):
            raise UnusualError(name)
        found[member] = value
    if found["name"].lower() != name:
        raise UnusualError(name)
    found.setdefault("depends", [])
    if not found.get("constrains"):
        found.pop("constrains", None)
    if not found.get("subdir"):
        found["subdir"] = subdir
    return {member: found[member] for member in _MEMBERS if member in found}


def merged(packages: Mapping[str, Any], conda: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the records of both formats in order; of two formats of one package, the ``.conda`` alone."""
    newer = {file.removesuffix(".conda"): file for file in conda}
    older = {file.removesuffix(".tar.bz2"): file for file in packages}
    for stem in sorted({**newer, **older}):
        yield (newer[stem], conda[newer[stem]]) if stem in newer else (older[stem], packages[older[stem]])


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < _LARGEST


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _matching(pattern: re.Pattern[str]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_features(value: Any) -> bool:
    return isinstance(value, str) and "," not in value and value == value.strip() and "  " not in value


_LISTS = ("constrains", "depends", "subdir", "track_features")
_CHECKS: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(_MEMBERS, _is_text),
    **dict.fromkeys(("build_number", "legacy_bz2_size", "size", "timestamp"), _is_count),
    **dict.fromkeys(("constrains", "depends"), _are_texts),
    **dict.fromkeys(("md5", "legacy_bz2_md5"), _matching(_MD5)),
    "sha256": _matching(_SHA256),
    "version": _matching(_VERSION),
    "noarch": lambda value: value in ("python", "generic"),
    "track_features": _is_features,
}

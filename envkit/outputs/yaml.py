"""Write YAML that every version of it reads alike: lists, mappings and quoted strings."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from envkit.patterns import regex

# Plain scalars that YAML 1.1 and 1.2 both read as strings; all others are quoted as in JSON.
_PLAIN = regex(r"[A-Za-z_/][A-Za-z0-9_./+@=-]*(?:://?[A-Za-z0-9_./+@=%~-]+(?::[0-9]+[A-Za-z0-9_./+@=%~-]*)?)?\Z")
_RESERVED = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
_FLOAT = regex(r"[-+]?\.?(?:inf|nan)\Z", re.IGNORECASE)


def scalar(value: object) -> str:
    """Return a string, number or truth value as YAML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    text = str(value)
    plain = _PLAIN.match(text) and text.lower() not in _RESERVED and not _FLOAT.match(text)
    return text if plain else json.dumps(text, ensure_ascii=False)


def block(value: object, indent: str = "") -> Iterator[str]:
    """Yield the lines of mappings and sequences, nested; empty ones are written as ``{}`` and ``[]``."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _entry(f"{indent}{scalar(key)}:", item, indent)
    elif isinstance(value, Sequence):
        for item in value:
            if isinstance(item, Mapping) and item:
                first, *rest = block(item, f"{indent}  ")
                yield f"{indent}- {first.lstrip()}"
                yield from rest
            else:
                yield f"{indent}- {_inline(item)}"


def _entry(head: str, item: object, indent: str) -> Iterator[str]:
    if isinstance(item, Mapping) and item:
        yield head
        yield from block(item, f"{indent}  ")
    elif isinstance(item, Sequence) and not isinstance(item, str) and item:
        yield head
        yield from block(item, indent)
    else:
        yield f"{head} {_inline(item)}"


def _inline(item: object) -> str:
    if isinstance(item, Mapping):
        return "{}"
    return "[]" if isinstance(item, Sequence) and not isinstance(item, str) else scalar(item)

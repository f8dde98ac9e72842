"""Merge what several sources say of a key, as conda does (its documentation, "merging configuration"). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from envkit.errors import SettingsError
from envkit.inputs.condarc import Entry
from envkit.models.conda_keys import Key
from envkit.patterns import regex
from envkit.values import replace

_VARIABLE = regex(r"\$(?:(?P<name>[A-Za-z_]\w*)|\{(?P<braced>[A-Za-z_]\w*)\})")
_SCALARS = (str, int, float)


def merge(key: Key, entries: Sequence[Entry], env: Mapping[str, str]) -> Any:
    """Return the value of a key from its entries, earliest source first.

    Text: the first ``final`` one, else the last. Lists are joined, a later source first, ``top`` members before and
    ``bottom`` members after all others, up to the first list that is ``final``. Maps are joined likewise.

    Raises:
        SettingsError: A value has another kind than the key; the message names its file, not the value.
    """
    typed = [_typed(key, entry) for entry in entries]
    if key.kind == "text":
        chosen = next((entry for entry in typed if entry.mark == "final"), typed[-1])
        value = chosen.value
    elif key.kind in {"list", "maps"}:
        value = _merge_lists(_until_final(typed))
    else:
        value = _merge_maps(_until_final(typed), nested=key.kind == "lists")
    return _expand(value, env) if key.expanded else value


def _until_final(entries: Sequence[Entry]) -> Sequence[Entry]:
    for place, entry in enumerate(entries):
        if entry.mark == "final":
            return entries[: place + 1]
    return entries


def _merge_lists(entries: Sequence[Entry]) -> list[Any]:
    def marked(entry: Entry, mark: str) -> list[Any]:
        return [member for place, member in enumerate(entry.value) if entry.marks.get(place) == mark]

    top = [member for entry in entries for member in marked(entry, "top")]
    bottom = [member for entry in reversed(entries) for member in marked(entry, "bottom")]
    every = [member for entry in reversed(entries) for member in entry.value]
    front = _unique([*top, *every])
    return _unique([*reversed(bottom), *reversed(front)])[::-1]


def _unique(members: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    for member in members:
        if member not in found:
            found.append(member)
    return found


def _merge_maps(entries: Sequence[Entry], *, nested: bool) -> dict[str, Any]:
    grouped: dict[str, list[Any]] = {}
    for entry in entries:
        for name, member in entry.value.items():
            grouped.setdefault(name, []).append(member)
    merged = {
        name: _merge_lists([Entry(member, "") for member in members]) if nested else members[-1]
        for name, members in grouped.items()
    }
    for entry in reversed(entries):  # of several that are final, the earliest wins
        merged.update((name, member) for name, member in entry.value.items() if entry.marks.get(name) == "final")
    return merged


def _typed(key: Key, entry: Entry) -> Entry:
    """Return the entry with a value of the key's kind."""
    value = entry.value
    if key.kind == "text" and isinstance(value, _SCALARS):
        return entry
    if key.kind == "list":
        if isinstance(value, str):
            return replace(entry, value=[value])
        if isinstance(value, list) and all(isinstance(member, _SCALARS) for member in value):
            return replace(entry, value=[str(member) for member in value])
        raise _wrong(key, entry, "a list of strings")
    if key.kind == "maps" and isinstance(value, list) and all(isinstance(member, dict) for member in value):
        return entry
    if key.kind == "map" and isinstance(value, dict) and all(_is_scalar(member) for member in value.values()):
        return replace(entry, value={str(name): member for name, member in value.items()})
    if key.kind == "lists" and isinstance(value, dict):
        members = {str(name): [m] if isinstance(m, str) else m for name, m in value.items() if m is not None}
        if all(isinstance(m, list) and all(isinstance(text, _SCALARS) for text in m) for m in members.values()):
            return replace(entry, value={name: [str(text) for text in m] for name, m in members.items()})
    kinds = {"text": "text", "map": "a map of strings", "lists": "a map of lists", "maps": "a list of maps"}
    raise _wrong(key, entry, kinds[key.kind])


def _is_scalar(value: object) -> bool:
    return value is None or isinstance(value, _SCALARS)


def _wrong(key: Key, entry: Entry, kind: str) -> SettingsError:
    return SettingsError(f"{key.name} in {entry.origin} is not {kind}", hint="Mend the file.")


def _expand(value: Any, env: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _VARIABLE.sub(lambda match: env.get(match["name"] or match["braced"], match[0]), value)
    if isinstance(value, list):
        return [_expand(member, env) for member in value]
    if isinstance(value, dict):
        return {name: _expand(member, env) for name, member in value.items()}
    return value


_YES = frozenset({"true", "yes", "on", "y", "1"})
_NO = frozenset({"false", "no", "off", "n", "non", "none", "0", "", "[]", "{}"})


def parse_switch(value: object, key: str, origin: str) -> bool:
    """Read a value as yes or no, as conda does.

    Raises:
        SettingsError: It is neither.
    """
    text = str(value).strip().lower()
    if text in _YES or text in _NO:
        return text in _YES
    raise SettingsError(f"{key} in {origin} is neither true nor false", hint="Write true or false.")


def parse_number(value: object, key: str, origin: str) -> float:
    """Read a value as a number that is not negative.

    Raises:
        SettingsError: It is none.
    """
    try:
        number = float(str(value))
    except ValueError:
        number = -1
    if not 0 <= number < float("inf"):
        raise SettingsError(f"{key} in {origin} is not a number", hint="Write a number, such as 3.")
    return number

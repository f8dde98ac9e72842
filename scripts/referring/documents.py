"""The page of JSON documents: members and types out of the recorded documents, descriptions out of docstrings."""

from __future__ import annotations

import dataclasses
import importlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from referring.markdown import code, described, load_data, page, table
from referring.members import TYPES, annotations_of, json_type, members_of

__all__ = ["Member", "Part", "json_page", "look", "read_parts"]

RECORDED = Path(__file__).parent.parent.parent / "tests" / "cli" / "recorded"
_KEYS = {"text", "is", "map", "open", "type", "unseen"}
_VERSION = "Version of the document's form: 1."
_STAND_IN = re.compile(r"<(str|int|float|bool|list|dict|NoneType)>\Z")  # what is recorded of a machine's own values


@dataclass
class Member:
    """One member of a part, and what recorded documents have there.

    Attributes:
        text: Its description.
        holds: The part that it holds, in an array or alone; None for plain values.
        maps: The part or type of an object's values, where their names are its own.
        is_open: Whether it is an object that no part describes.
        given: Its type, where it is written down.
        unseen: Whether it is said that no document has it.
        types: Its types in recorded documents; those of items behind ``array of``.
        times: In how many objects it was.
        annotated: The annotation of the class's field; empty without one.
    """

    text: str = ""
    holds: str | None = None
    maps: str | None = None
    is_open: bool = False
    given: str | None = None
    unseen: bool = False
    types: set[str] = field(default_factory=set)
    times: int = 0
    annotated: str = ""

    def type(self, *, always: bool) -> str:
        """Return its type in words."""
        words = self.given or self._type()
        if "null" in self.types and "null" not in words:
            words += " or null"
        return words if always else f"{words}; optional"

    def _type(self) -> str:
        stated = json_type(self.annotated) if self.annotated else ""
        if self.holds or self.maps:
            inside = str(self.holds or self.maps)
            inside = inside if inside in TYPES.values() else f"*{inside}*"
            is_array = "array" in self.types or stated.startswith("array")
            words = f"array of {inside}" if is_array else f"object of {inside}" if self.maps else inside
            return f"{words} or null" if stated.endswith("null") else words
        if self.annotated or not self.types:
            return stated or "string"
        items = sorted(found for found in self.types if found.startswith("array of "))
        plain = self.types - {"null", "array", *items}
        all_words = [*sorted(plain - ({"integer"} if "number" in plain else set())), *items]
        return " or ".join(all_words) or "array"


@dataclass
class Part:
    """An object of the documents.

    Attributes:
        name: What other parts call it.
        about: What is to be said of it.
        members: Its members by name.
        unseen: Whether no recorded document has it.
        times: How often it was found in recorded documents.
        fields: The fields of its class, where it has one.
    """

    name: str
    about: str
    members: dict[str, Member]
    unseen: bool = False
    times: int = 0
    fields: tuple[str, ...] = ()


def _class(path: str) -> type:
    module, _, name = path.rpartition(".")
    found: type = getattr(importlib.import_module(f"envkit.{module}"), name)
    return found


def read_parts() -> tuple[dict[str, str], dict[str, Part]]:
    """Read what is written down of the documents: the parts of the commands, and all parts."""
    data = load_data("documents.yml")
    parts: dict[str, Part] = {}
    for name, about in data["parts"].items():
        cls = _class(about["of"]) if "of" in about else None
        known, annotations = (members_of(cls), annotations_of(cls)) if cls else ({}, {})
        members = dict(parts[about["with"]].members) if "with" in about else {}
        members = {key: dataclasses.replace(member, types=set()) for key, member in members.items()}
        for key, short in about["members"].items():
            said = {"text": short} if isinstance(short, str) else short or {}
            if unknown := said.keys() - _KEYS:  # a comma in a text without quotes
                raise ValueError(f"documents.yml: {name}.{key} has {unknown}")
            members[key] = Member(
                text=described(said.get("text") or known.get(key) or (_VERSION if key == "schema_version" else "")),
                holds=said.get("is"),
                maps=said.get("map"),
                is_open=bool(said.get("open")),
                given=said.get("type"),
                unseen=bool(said.get("unseen")),
                annotated=annotations.get(key, ""),
            )
        line = about.get("about", "")
        parts[name] = Part(name, line, members, bool(about.get("unseen")), fields=tuple(annotations))
    return data["commands"], parts


def _recorded() -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """List the file, the command and the document of each record."""
    for path in sorted(RECORDED.glob("*.json")):
        found = json.loads(path.read_text(encoding="utf-8"))
        yield path.name, found["command"].split()[0], found["document"]


def look(commands: Mapping[str, str], parts: Mapping[str, Part]) -> list[str]:
    """Walk through the recorded documents; the parts learn types, and what no part describes is returned."""
    problems: list[str] = []
    for file, command, document in _recorded():
        failed = document.keys() <= {"schema_version", "error", "problem", "lacking"}
        part = "failure" if failed and "error" in document else commands.get(command)
        if part is None:
            problems.append(f"{file}: no part is the document of {command}")
        else:
            _walk(document, part, f"{file}: ", parts, problems)
    return problems


def _walk(value: Mapping[str, Any], name: str, place: str, parts: Mapping[str, Part], problems: list[str]) -> None:
    part = parts[name]
    part.times += 1
    for key, item in value.items():
        member = part.members.get(key)
        if member is None:
            problems.append(f"{place}{key} is not described (part {name!r})")
            continue
        member.times += 1
        _see(item, member, f"{place}{key}", parts, problems)


def _see(
    item: Any, member: Member, place: str, parts: Mapping[str, Part], problems: list[str], array: str = ""
) -> None:
    kind = _kind(item)
    member.types.add(array + kind)
    if isinstance(item, list):
        for each in item:
            if member.holds and isinstance(each, str):
                continue  # all builds but the first are recorded in brief
            if member.holds and isinstance(each, dict):
                _walk(each, member.holds, f"{place}[].", parts, problems)
            else:
                _see(each, member, f"{place}[]", parts, problems, f"{array}array of ")
    elif isinstance(item, dict):
        if member.holds:
            _walk(item, member.holds, f"{place}.", parts, problems)
        elif member.maps:
            for each in item.values():
                if isinstance(each, dict):
                    _walk(each, member.maps, f"{place}.*.", parts, problems)
        elif not member.is_open and item:
            problems.append(f"{place} is an object that no part describes")


def _kind(item: Any) -> str:
    if item is None:
        return "null"
    stand_in = _STAND_IN.match(item) if isinstance(item, str) else None
    name = stand_in[1] if stand_in else type(item).__name__
    return TYPES.get(name, "null")


def json_page() -> str:
    """Return the page of JSON documents."""
    commands, parts = read_parts()
    look(commands, parts)
    documents = {part: [name for name, of in commands.items() if of == part] for part in commands.values()}
    told = []
    for name, part in parts.items():
        title = ", ".join(documents.get(name, ())) or name
        if name == "failure":
            title = "Errors"
        elif name not in documents:
            title = f"*{name}*"
        told += [f"## {title}", *([described(part.about)] if part.about else []), _members(part)]
    return page("json", members="\n\n".join(told), progress=table(("member", "type", "meaning"), _PROGRESS))


_PROGRESS = (
    ("`event`", "string", "`start`, `advance` and `finish` of a phase, or `note`, which is outside any."),
    (
        "`phase`",
        "string; optional",
        "`detect`, `index`, `solve`, `download`, `read`, `link`, `bytecode`, `validate` or `clean`.",
    ),
    ("`text`", "string or null", "The event for people."),
    ("`total`", "integer or null; optional", "Of `start`: how much there is to do, if it is known."),
    ("`unit`", "string; optional", "Of `start`: what `total` counts; `B` for bytes."),
    ("`amount`", "integer; optional", "Of `advance`: how much more is done."),
)


def _members(part: Part) -> str:
    rows = (
        (code(name), member.type(always=member.times == part.times), member.text)
        for name, member in part.members.items()
    )
    return table(("member", "type", "meaning"), rows)

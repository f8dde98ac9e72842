"""Put members into JSON with comments, as VS Code keeps its settings, and leave the rest of the text as it is.

The form is JSON with ``//`` and ``/* */`` comments and commas after the last member (code.visualstudio.com, "JSON with
Comments").
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from envkit.tuples import NamedTuple

_SPACE = re.compile(r"(?:[ \t\r\n\ufeff]|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_SCALAR = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false|null')
_DEEPEST = 100


class _Node(NamedTuple):
    """A value in the text: where it stands, what it is, and what is inside."""

    start: int
    end: int
    value: Any
    members: Mapping[str, _Node] = {}
    last: int = 0  # the end of the last value inside, 0 without one
    comma: bool = False  # whether a comma follows that


def merge_text(text: str, values: Mapping[str, Any]) -> str:
    """Return a text with members set: objects are merged, lists get the items that they lack, others are replaced.

    Raises:
        ValueError: The text is no object of JSON with comments; the message says where.
    """
    newline = "\r\n" if "\r\n" in text else "\n"
    if _SPACE.fullmatch(text):
        made = json.dumps(values, indent=4, ensure_ascii=False).replace("\n", newline) + newline
        return text + ("" if not text or text.endswith("\n") else newline) + made
    root = _read(text)
    edits: list[tuple[int, int, str]] = []
    _merge(text, root, values, newline, edits)
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    if _read(text).value != merge_values(root.value, values):
        raise ValueError("the members could not be put in")
    return text


def merge_values(before: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `merge_text` makes of a document, as values."""
    merged = dict(before)
    for name, value in values.items():
        old = before.get(name)
        if isinstance(old, dict) and isinstance(value, Mapping):
            merged[name] = merge_values(old, value)
        elif isinstance(old, list) and isinstance(value, list):
            merged[name] = [*old, *(item for item in value if item not in old)]
        else:
            merged[name] = value
    return merged


def _merge(text: str, node: _Node, values: Mapping[str, Any], newline: str, edits: list[tuple[int, int, str]]) -> None:
    added = []
    indent = _indent(text, node)
    for name, value in values.items():
        old = node.members.get(name)
        if old is None:
            added.append(f"{json.dumps(name, ensure_ascii=False)}: {_dump(value, indent, newline)}")
        elif isinstance(old.value, dict) and isinstance(value, Mapping):
            _merge(text, old, value, newline, edits)
        elif isinstance(old.value, list) and isinstance(value, list):
            lacking = [_dump(item, indent, newline) for item in value if item not in old.value]
            _insert(text, old, lacking, newline, edits)
        elif old.value != value:
            edits.append((old.start, old.end, _dump(value, indent, newline)))
    _insert(text, node, added, newline, edits)


def _insert(text: str, node: _Node, items: list[str], newline: str, edits: list[tuple[int, int, str]]) -> None:
    """Add items at the end of an object or a list: behind the comments that follow its last one."""
    if not items:
        return
    indent = _indent(text, node)
    inside = text[node.start : node.end - 1].rstrip()
    at = node.start + len(inside)
    is_open = "\n" in text[at : node.end - 1]
    closing, end = ("", at) if is_open else (newline + _line_indent(text, node.start), node.end - 1)
    before = "," if node.last and not node.comma else ""
    if before and at > node.last:  # comments stand between
        edits.append((node.last, node.last, before))
        before = ""
    edits.append((at, end, before + newline + f",{newline}".join(indent + item for item in items) + closing))


def _indent(text: str, node: _Node) -> str:
    """Return the indentation of what is inside of an object or a list."""
    lines = text[node.start : node.last or node.end].split("\n")
    first = next((line for line in lines[1:] if line.strip() and not line.lstrip().startswith("//")), "")
    inside = first[: len(first) - len(first.lstrip())]
    outside = _line_indent(text, node.start)
    return inside if node.last and len(inside) > len(outside) else outside + "    "


def _line_indent(text: str, position: int) -> str:
    line = text[text.rfind("\n", 0, position) + 1 : position]
    return line[: len(line) - len(line.lstrip())]


def _dump(value: object, indent: str, newline: str) -> str:
    return json.dumps(value, indent=4, ensure_ascii=False).replace("\n", newline + indent)


def _read(text: str) -> _Node:
    node = _value(text, _skip(text, 0), 0)
    end = _skip(text, node.end)
    if end != len(text):
        raise _wrong(text, end)
    if not isinstance(node.value, dict):
        raise ValueError("it is not an object")  # noqa: TRY004 - of a text
    return node


def _value(text: str, start: int, depth: int) -> _Node:
    if depth > _DEEPEST:
        raise ValueError("it is nested too deeply")
    if text[start : start + 1] in {"{", "["}:
        return _container(text, start, depth)
    found = _SCALAR.match(text, start)
    if found is None:
        raise _wrong(text, start)
    return _Node(start, found.end(), json.loads(found[0]))


def _container(text: str, start: int, depth: int) -> _Node:
    is_object = text[start] == "{"
    members: dict[str, _Node] = {}
    items: list[Any] = []
    last, comma = 0, False
    position = _skip(text, start + 1)
    while text[position : position + 1] != ("}" if is_object else "]"):
        if last and not comma:
            raise _wrong(text, position)
        name = ""
        if is_object:
            key = _value(text, position, _DEEPEST)
            colon = _skip(text, key.end)
            if not isinstance(key.value, str) or text[colon : colon + 1] != ":":
                raise _wrong(text, position)
            name, position = key.value, _skip(text, colon + 1)
        node = _value(text, position, depth + 1)
        members[name] = node
        items.append(node.value)
        last, position = node.end, _skip(text, node.end)
        comma = text[position : position + 1] == ","
        position = _skip(text, position + 1) if comma else position
    value: Any = {name: node.value for name, node in members.items()} if is_object else items
    return _Node(start, position + 1, value, members if is_object else {}, last, comma)


def _skip(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position


def _wrong(text: str, position: int) -> ValueError:
    line = text.count("\n", 0, position) + 1
    return ValueError(
        f"line {line}, column {position - text.rfind(chr(10), 0, position)}: it is not JSON with comments"
    )

"""Annotations as types, without the compiler of Python, which takes a millisecond to begin and a tenth for each."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from functools import reduce
from operator import or_
from typing import Any

_QUOTES = "\"'"


def evaluate(text: str, names: dict[str, Any]) -> Any:
    """Return what an annotation stands for, as `eval` does; texts in it hold no brackets, commas and bars.

    Args:
        text: The annotation.
        names: The globals of its module.
    """
    return eval(text, names) if "(" in text else _evaluate(text, names)


def _evaluate(text: str, names: dict[str, Any]) -> Any:
    union = list(_split(text, " | "))
    if len(union) > 1:
        return reduce(or_, (_evaluate(part, names) for part in union))
    outer, bracket, inner = text.partition("[")
    if bracket and text[0] not in _QUOTES:
        parts = tuple(_evaluate(part, names) for part in _split(inner[:-1], ", "))
        return _named(outer, names)[parts if len(parts) > 1 else parts[0]]
    return _named(text, names)


def _named(text: str, names: dict[str, Any]) -> Any:
    if text[0] in _QUOTES:
        return text[1:-1]
    if text in {"None", "..."}:
        return None if text == "None" else ...
    if text.isdecimal():
        return int(text)
    first, *rest = text.split(".")
    return reduce(getattr, rest, names[first] if first in names else getattr(builtins, first))


def _split(text: str, separator: str) -> Iterator[str]:
    """Split at the separators that are not within brackets."""
    part, depth = "", 0
    for piece in text.split(separator):
        part = f"{part}{separator}{piece}" if part else piece
        depth += piece.count("[") - piece.count("]")
        if not depth:
            yield part
            part = ""

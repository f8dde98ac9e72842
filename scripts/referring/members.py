"""Members of classes: their descriptions out of docstrings, and the JSON types of their annotations."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re

from referring.markdown import described, first_sentence

__all__ = ["TYPES", "annotations_of", "json_type", "members_of"]

TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "dict": "object", "list": "array"}
_ARRAYS = {"tuple", "list", "frozenset", "Sequence"}
_OBJECTS = {"dict", "Mapping"}
_ANYTHING = {"Any", "object"}


def members_of(cls: type) -> dict[str, str]:
    """Return what a class says of its members: its section ``Attributes``, and the docstrings of its properties."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if not base.__module__.startswith("envkit."):
            continue
        section = re.search(
            r"^Attributes:\n(.*?)(?=^\S|\Z)", inspect.cleandoc(base.__doc__ or ""), re.DOTALL | re.MULTILINE
        )
        for entry in re.split(r"^ {4}(?=\w)", section[1], flags=re.MULTILINE)[1:] if section else ():
            name, _, text = entry.partition(":")
            found[name] = described(text)
        for name, item in vars(base).items():
            if isinstance(item, property):
                found[name] = first_sentence(item)
    return found


def annotations_of(cls: type) -> dict[str, str]:
    """Return the fields of a dataclass or model with their annotations, as they are written."""
    if dataclasses.is_dataclass(cls):
        return {item.name: str(item.type) for item in dataclasses.fields(cls)}
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if base.__module__.startswith("envkit."):
            found.update({name: str(text) for name, text in inspect.get_annotations(base).items()})
    return found


def json_type(annotation: str) -> str:
    """Return the JSON type of an annotation; versions, sentences and the like are written as strings."""
    return _type(ast.parse(annotation, mode="eval").body)


def _type(node: ast.expr) -> str:
    if isinstance(node, ast.BinOp):
        return f"{_type(node.left)} or {_type(node.right)}"
    if isinstance(node, ast.Constant):
        return "null"
    if isinstance(node, ast.Subscript):
        name, inside = ast.unparse(node.value), node.slice
        first = inside.elts[0] if isinstance(inside, ast.Tuple) else inside
        if name == "Literal":
            values = inside.elts if isinstance(inside, ast.Tuple) else [inside]
            return " or ".join(f"`{ast.literal_eval(value)}`" for value in values)
        if name in _ARRAYS:
            return f"array of {_type(first)}"
        if name in _OBJECTS and isinstance(inside, ast.Tuple):
            value = ast.unparse(inside.elts[1])
            return "object" if value in _ANYTHING else f"object of {_type(inside.elts[1])}"
    name = ast.unparse(node)
    return TYPES.get(name, "object" if name in _ANYTHING else "string")

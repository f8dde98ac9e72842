"""One name, one meaning: no two public classes or functions of envkit share a name."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import envkit

ROOT = Path(envkit.__file__).parent


def public_names(source: str) -> Iterator[str]:
    """Names of the classes, functions and type aliases at the top of a module."""
    for node in ast.parse(source).body:
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                if name[0].isupper() and not name.isupper():
                    yield name


def test_no_name_has_two_meanings() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in ROOT.rglob("*.py"):
        if {"probes", "kernel_scripts"} & set(path.parts):  # scripts for other Pythons
            continue
        for name in public_names(path.read_text(encoding="utf-8")):
            if not name.startswith("_"):
                places[name].append(str(path.relative_to(ROOT)))
    assert {name: where for name, where in places.items() if len(where) > 1} == {}

"""A specification is parsed where it comes in: a request's by the request, a record's by builds, an engine's by it."""

from __future__ import annotations

import ast
from pathlib import Path

import envkit

ROOT = Path(envkit.__file__).parent
EDGES = {"models/request.py", "models/spec.py", "builds/dependency.py", "builds/signals.py", "checks/validity.py"}
EDGES |= {"inputs/merge.py", "inputs/spec_file.py"}


def test_specs_are_parsed_at_the_edge_alone() -> None:
    callers = set()
    for path in ROOT.rglob("*.py"):
        names = {
            node.id for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Name)
        }
        if "parse_match_spec" in names and path.parent.name != "engines":
            callers.add(str(path.relative_to(ROOT)))
    assert callers - EDGES == set()

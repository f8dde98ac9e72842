"""What keeps the code one that people can live in: short modules, docstrings that begin with a verb."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import envkit

ROOT = Path(envkit.__file__).parent
LONGEST_MODULE = 400
LONG_ALL_THE_SAME = {"probes/cuda_driver.py"}  # one script, copied to wherever it runs
INDIRECT = ("What ", "Whether ")
MOST_INDIRECT = 0.03


def modules() -> Iterator[tuple[str, str]]:
    for path in sorted(ROOT.rglob("*.py")):
        yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")


def test_no_module_is_long() -> None:
    long = {name for name, text in modules() if len(text.splitlines()) > LONGEST_MODULE}
    assert long == LONG_ALL_THE_SAME


def test_docstrings_of_functions_begin_with_a_verb() -> None:
    docstrings = [
        text
        for _, source in modules()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef) and (text := ast.get_docstring(node))
    ]
    indirect = [text for text in docstrings if text.startswith(INDIRECT)]
    assert len(indirect) < MOST_INDIRECT * len(docstrings), indirect

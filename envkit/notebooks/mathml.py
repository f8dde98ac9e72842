"""Turn the formulas of a notebook's texts into MathML, which browsers show without a library from the network."""

from __future__ import annotations

import re
from typing import Any

# A dollar that is escaped or stands beside a digit (a price) opens no formula, as in pandoc's tex_math_dollars. Code,
# in fences or between backquotes, is matched first and left alone.
_CODE_OR_MATH = re.compile(
    r"(?P<code>^```.*?^```|`[^`\n]+`)"
    r"|(?<!\\)\$\$(?P<block>.+?)(?<!\\)\$\$"
    r"|(?P<environment>\\begin\{(?P<called>(?:equation|align|gather|multline|eqnarray)\*?)\}.+?\\end\{(?P=called)\})"
    r"|(?<![\\$])\$(?!\s|\$)(?P<inline>(?:[^$`\n]|\n(?!\n))+?)(?<![\\\s])\$(?!\d|\$)",
    re.DOTALL | re.MULTILINE,
)

# Environments for use inside of a formula, which the library reads by the name of those that are one.
_INSIDE = re.compile(r"\\(begin|end)\{(?:aligned|split|alignedat)\}")
_UNREAD = re.compile(r"<m[ion]>(?:\\|&</)")  # a command or a column mark that it took for text


def can_convert() -> bool:
    """Return whether the library that converts formulas is installed (``envkit[notebook]``)."""
    from importlib.util import find_spec

    return find_spec("latex2mathml") is not None


def with_mathml(notebook: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Return a notebook with MathML in place of LaTeX, and how many formulas could not be converted.

    Formulas stand in texts, and in what cells put out as Markdown or LaTeX, such as the expressions of SymPy.
    """
    failed = 0
    cells = []
    for cell in notebook.get("cells", ()):
        made = cell
        if isinstance(cell, dict) and cell.get("cell_type") == "markdown":
            text, missed = _convert(_text(cell.get("source")))
            made = {**cell, "source": text}
            failed += missed
        elif isinstance(cell, dict) and isinstance(cell.get("outputs"), list):
            pairs = [_output(output) for output in cell["outputs"]]
            made = {**cell, "outputs": [output for output, _ in pairs]}
            failed += sum(missed for _, missed in pairs)
        cells.append(made)
    return {**notebook, "cells": cells}, failed


def _output(output: Any) -> tuple[Any, int]:
    data = output.get("data") if isinstance(output, dict) else None
    if not isinstance(data, dict):
        return output, 0
    failed = 0
    made = dict(data)
    if "text/markdown" in data:
        made["text/markdown"], failed = _convert(_text(data["text/markdown"]))
    if "text/latex" in data and "text/html" not in data:
        text, missed = _convert(_text(data["text/latex"]))
        failed += missed
        if not missed:
            made["text/html"] = text  # which pages prefer
    return {**output, "data": made}, failed


def _text(source: object) -> str:
    return "".join(map(str, source)) if isinstance(source, list) else str(source or "")


def _convert(text: str) -> tuple[str, int]:
    from latex2mathml.converter import convert

    failed = 0

    def replace(match: re.Match[str]) -> str:
        nonlocal failed
        latex = match["block"] or match["environment"] or match["inline"]
        if latex is None:
            return match[0]
        latex, is_block = _INSIDE.sub(r"\\\1{align}", latex.strip()), not match["inline"]
        try:
            # One line: a blank one would end the HTML for Markdown.
            made = " ".join(convert(latex, display="block" if is_block else "inline").split())
        except Exception:  # noqa: BLE001 - any text may stand in a formula
            made = ""
        if not made or _UNREAD.search(made):
            failed += 1
            return match[0]
        return f"\n\n{made}\n\n" if is_block else made

    return _CODE_OR_MATH.sub(replace, text), failed

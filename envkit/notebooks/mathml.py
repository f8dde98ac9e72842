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
    """Return a notebook whose texts hold MathML in place of LaTeX, and how many formulas could not be converted."""
    failed = 0
    cells = []
    for cell in notebook.get("cells", ()):
        if isinstance(cell, dict) and cell.get("cell_type") == "markdown":
            source = cell.get("source", "")
            text, missed = _convert(source if isinstance(source, str) else "".join(source))
            failed += missed
            cells.append({**cell, "source": text})
        else:
            cells.append(cell)
    return {**notebook, "cells": cells}, failed


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

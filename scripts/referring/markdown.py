"""Pages and tables in Markdown."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from envkit.inputs.yaml import parse_yaml

__all__ = ["code", "described", "first_sentence", "load_data", "page", "table"]

_FOLDER = Path(__file__).parent
_WORDS = {"None": "null", "null": "null", "True": "true", "False": "false"}


def page(name: str, **parts: str) -> str:
    """Return a page: its text in ``pages/``, with parts in place of their names in double braces.

    The first line is the title, the third the one that ``envkit help`` lists the page with.
    """
    text = (_FOLDER / "pages" / f"{name}.md").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], text)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table."""
    lines = [list(columns), ["---"] * len(columns), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def code(text: str) -> str:
    """Return text as code."""
    return f"`{text}`"


def described(text: str) -> str:
    """Return a description out of a docstring as Markdown: one line, code in single backticks, JSON's names."""
    text = " ".join(text.split()).replace("``", "`")
    text = re.sub(r"(?<![`\w])(None|null|True|False)(?![`\w])", lambda found: f"`{_WORDS[found[0]]}`", text)
    return re.sub(r"`envkit(?:\.\w+)*\.([A-Z]\w*\.)?(\w+)`", r"`\2`", text)


def first_sentence(item: Any) -> str:
    """Return the first line of an object's docstring."""
    return described((inspect.getdoc(item) or "").split("\n\n")[0])


def load_data(name: str) -> Any:
    """Read a file of this folder."""
    return parse_yaml((_FOLDER / name).read_bytes(), kind="safe")

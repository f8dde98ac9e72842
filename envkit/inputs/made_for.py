"""The line by which a lock that envkit wrote tells what it was made from."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from envkit.models.inputs import Recipe

_LINE = re.compile(r"^# envkit: (\{.*\})\s*$", re.MULTILINE)


def read_made_for(text: str) -> Mapping[str, Any]:
    """Return what a lock notes of its request and its targets; empty for a lock of another tool."""
    found = _LINE.search(text)
    try:
        noted = json.loads(found[1]) if found is not None else {}
    except (ValueError, RecursionError):
        return {}
    return noted if isinstance(noted, dict) else {}


def made_for_line(noted: Mapping[str, Any]) -> str:
    """Return the comment that `read_made_for` reads: one line of JSON, the same for the same content."""
    return f"# envkit: {json.dumps(noted, sort_keys=True, ensure_ascii=True)}"


def content_of(recipe: Recipe) -> dict[str, Any]:
    """Return what a lock depends on in its files, for `made_for_line`: an edit of anything else leaves it valid."""
    selected = [f"{item.spec}  # [{item.selector}]" for item in recipe.selected]
    return {
        "channels": list(recipe.channels),
        "dependencies": [*recipe.dependencies, *selected],
        "flags": dict(recipe.flags),
        "pip": [*recipe.pip.lines, *recipe.pip.constraint_lines],
    }

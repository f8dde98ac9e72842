"""The line by which a lock that envkit wrote tells what it was made from."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from envkit.activation import is_variable
from envkit.models.channel import redact
from envkit.models.inputs import LockFile, Recipe
from envkit.patterns import regex

_LINE = regex(r"^# envkit: (\{.*\})\s*$", re.MULTILINE)


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
    # Without credentials: the lock is shown and shared.
    selected = [f"{item.spec}  # [{item.selector}]" for item in recipe.selected]
    return {
        "channels": list(map(redact, recipe.channels)),
        "dependencies": [*recipe.dependencies, *selected],
        "flags": dict(recipe.flags),
        "pip": [*recipe.pip.lines, *recipe.pip.constraint_lines],
        "variables": dict(recipe.variables),
    }


def variables_of(lock: LockFile) -> tuple[tuple[str, str], ...]:
    """Return the variables that activation sets, as a lock notes them of its files; only names that a shell may see."""
    files = lock.made_for.get("files")
    noted = files.get("variables") if isinstance(files, dict) else None
    pairs = noted.items() if isinstance(noted, dict) else ()
    return tuple(sorted((name, value) for name, value in pairs if is_variable(name) and isinstance(value, str)))

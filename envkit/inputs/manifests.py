"""Recognise files that describe a project, and say which file of it to give instead."""

from __future__ import annotations

import re
from pathlib import Path

from envkit.errors import RecipeError
from envkit.patterns import regex

_TABLE = regex(r"^\s*\[\[?\s*([A-Za-z0-9_.\"' -]+?)\s*\]\]?\s*(?:#.*)?$", re.MULTILINE)
_PYLOCK = regex(r"^lock-version\s*=", re.MULTILINE)
_UV_LOCK = regex(r"^(?:revision|requires-python)\s*=", re.MULTILINE)


def is_pylock(text: str) -> bool:
    """Recognise a pylock.toml (PEP 751)."""
    return bool(_PYLOCK.search(text) and _TABLE.search(text))


def refuse_manifest(text: str, path: Path) -> None:
    """Refuse a file of a project that is no list of packages to install.

    Raises:
        RecipeError: It is a pixi.toml, a pyproject.toml, or the lock of another tool; the hint names what to give.
    """
    tables = {found[1].replace('"', "").replace("'", "").split(".")[0].strip() for found in _TABLE.finditer(text)}
    names = {found[1].strip() for found in _TABLE.finditer(text)}
    if not tables or text.lstrip().startswith(("{", "- ", "@EXPLICIT")):
        return
    pixi = any(name.startswith("tool.pixi") for name in names)
    if "workspace" in tables or ("project" in tables and {"dependencies", "tasks", "feature"} & tables):
        raise _instead(path, "pixi.toml", "its pixi.lock (pixi lock writes it)", "pixi.lock")
    if pixi:
        raise _instead(path, "pyproject.toml of a pixi project", "its pixi.lock (pixi lock writes it)", "pixi.lock")
    if {"project", "build-system", "tool"} & tables:
        raise _instead(path, "pyproject.toml", "its lock (`uv export --format pylock.toml`)", "pylock.toml")
    if "package" in tables and _UV_LOCK.search(text):
        raise _instead(path, "uv.lock", "a pylock.toml (`uv export --format pylock.toml`)", "pylock.toml")
    if "package" in tables or "metadata" in tables:
        raise _instead(path, "poetry.lock", "a requirements.txt (`poetry export`)", "requirements.txt")
    if {"packages", "dev-packages", "source"} & tables:
        raise _instead(path, "Pipfile", "a requirements.txt (`pipenv requirements`)", "requirements.txt")
    if {"system-requirements", "dependencies", "package"} & tables:
        raise _instead(path, "pixi.toml", "its pixi.lock (pixi lock writes it)", "pixi.lock")
    raise RecipeError(
        f"{path} is TOML of no known kind", hint="Give an environment.yml, a lock file or a requirements.txt."
    )


def _instead(path: Path, kind: str, wanted: str, name: str) -> RecipeError:
    beside = path.parent / name
    hint = f"Give {wanted}." if not beside.is_file() else f"Give {name}, which lies beside it: -f {beside}"
    return RecipeError(f"{path} is a {kind}: it describes a project and lists no exact packages", hint=hint)

"""Recognise the format of a file of packages by its content."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

from envkit.errors import RecipeError
from envkit.inputs.conda_lock import is_conda_lock, parse_conda_lock
from envkit.inputs.environment_yml import parse_environment_yml
from envkit.inputs.explicit import is_explicit, parse_explicit
from envkit.inputs.manifests import is_pylock, refuse_manifest
from envkit.inputs.pylock import parse_pylock_toml
from envkit.inputs.requirements import parse_requirements_txt
from envkit.inputs.spec_file import is_spec_file, parse_spec_file
from envkit.inputs.text import decode_text
from envkit.models.codes.inputs import PYTHON_ASSUMED, READ_AS
from envkit.models.fact import Advice
from envkit.models.inputs import LockFile, Recipe
from envkit.patterns import regex

MAX_BYTES = 64 << 20

_Parse = Callable[[bytes, Path], Recipe | LockFile]
# Formats with marks of their own, in this order.
_MARKED: tuple[tuple[Callable[[str], bool], _Parse], ...] = (
    (is_explicit, parse_explicit),
    (is_conda_lock, parse_conda_lock),
    (is_pylock, parse_pylock_toml),
)
_PIXI_LOCK = (regex(r"^environments:", re.MULTILINE), regex(r"^packages:", re.MULTILINE))
_ONLY_PIP = regex(
    r"^\s*(?:-[-a-zA-Z]|git\+|https?://\S+\.(?:whl|zip|tar\.gz))"
    r"|^[^#\n]*(?:~=|===|;\s*\w+| @ \w+|\w\[[\w, -]+\]\s*(?:[<>=!~]|$))",
    re.MULTILINE,
)
_KEY = regex(r"^(?:[A-Za-z_]+|['\"][A-Za-z_]+['\"])\s*:(?:\s|$)", re.MULTILINE)


def is_pixi_lock(text: str) -> bool:
    """Recognise a pixi.lock by its keys; `envkit.engines.pixi_lock` reads it."""
    return all(mark.search(text) for mark in _PIXI_LOCK)


def read_bytes(path: Path) -> bytes:
    """Read a file of packages, of at most `MAX_BYTES`.

    Raises:
        RecipeError: It cannot be read, or is larger.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        absent = isinstance(error, FileNotFoundError)
        hint = "Check the path after -f." if absent else "Give a file that you may read."
        raise RecipeError(f"{path} cannot be read: {error.strerror}", hint=hint) from error
    return check_size(data, path)


def check_size(data: bytes, path: Path) -> bytes:
    """Return the content of a file of packages.

    Raises:
        RecipeError: It is larger than `MAX_BYTES`.
    """
    if len(data) > MAX_BYTES:
        raise RecipeError(f"{path} is larger than {MAX_BYTES >> 20} MiB", hint="Give a file of packages with -f.")
    return data


def parse_input(data: bytes, path: Path) -> Recipe | LockFile:
    """Parse a file of packages in any format but pixi.lock; one without marks is read as an environment.yml.

    Raises:
        RecipeError: It breaks the rules of its format, or is a file that lists no packages.
    """
    text = decode_text(data, path)
    for recognises, parse in _MARKED:
        if recognises(text):
            return parse(data, path)
    refuse_manifest(text, path)
    is_yaml = _KEY.search(text) or text.lstrip().startswith(("{", "- ", "["))
    if is_yaml or not text.strip():
        return parse_environment_yml(data, path)
    return _requirements(data, path) if _is_for_pip(text, path) else parse_spec_file(data, path)


def _is_for_pip(text: str, path: Path) -> bool:
    """Tell a requirements file from one of conda's specs: by what only one of them writes, else by its name."""
    if _ONLY_PIP.search(text):
        return True
    if is_spec_file(text):
        return False
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return "require" in path.name.lower() or all("==" in line for line in lines)


def _requirements(data: bytes, path: Path) -> Recipe:
    """Read a requirements.txt: a recipe of the newest Python that its packages take, and a pip section."""
    name = "requirements.txt"
    return Recipe(
        path=str(path),
        name=None,
        channels=(),
        dependencies=("python",),
        pip=parse_requirements_txt(data, path),
        sha256=hashlib.sha256(data).hexdigest(),
        format=name,
        notes=(Advice(READ_AS, path=str(path), format_name=name), Advice(PYTHON_ASSUMED, path=str(path))),
    )

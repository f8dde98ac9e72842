"""Recipes: environment.yml files (CEP 24), those that envkit brings and those that users write."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envkit.errors import RecipeError

__all__ = ["Recipe", "builtin_names", "load_builtin", "load_recipe"]

_KEYS = {"name", "channels", "dependencies", "platforms", "variables", "prefix", "category"}
_MAX_BYTES = 1 << 20
_CEP = "CEP 24 says what an environment.yml may hold: name, channels, dependencies, platforms, variables."


@dataclass(frozen=True, slots=True)
class Recipe:
    """The content of an environment.yml."""

    path: str
    name: str | None
    channels: tuple[str, ...]
    dependencies: tuple[str, ...]
    pip: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    sha256: str | None = None


def load_recipe(path: Path) -> Recipe:
    """Read an environment.yml.

    Raises:
        RecipeError: The file is missing, is not YAML, or is not what CEP 24 says, with the place in the file.
    """
    from ruamel.yaml import YAML  # noqa: PLC0415 - only for files
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415

    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise RecipeError(f"{path} cannot be read: {error.strerror}", hint="Check the path after -f.") from error
    if len(data) > _MAX_BYTES:
        raise RecipeError(f"{path} is larger than {_MAX_BYTES // 1024} KiB: not an environment.yml", hint=_CEP)
    try:
        # The base resolver keeps every scalar as text, so that python: 3.10 cannot become 3.1.
        content = YAML(typ="base", pure=True).load(data.decode("utf-8-sig"))
    except (UnicodeDecodeError, YAMLError, ValueError) as error:
        raise RecipeError(f"{path} is not YAML: {' '.join(str(error).split())}", hint=_CEP) from error
    if not isinstance(content, dict):
        raise RecipeError(f"{path} is not an environment.yml: it holds no mapping", hint="It needs `dependencies:`.")
    unknown = sorted(str(key) for key in set(content) - _KEYS)
    if unknown:
        raise RecipeError(
            f"{path}: unknown key {', '.join(unknown)}", hint=f"An environment.yml has: {', '.join(sorted(_KEYS))}."
        )
    dependencies, pip = _dependencies(content.get("dependencies"), path)
    variables = content.get("variables") or {}
    if not isinstance(variables, dict) or not all(isinstance(v, str) for v in variables.values()):
        raise RecipeError(f"{path}: variables: is not a mapping of names to values", hint=_CEP)
    name = content.get("name")
    if name is not None and not isinstance(name, str):
        raise RecipeError(f"{path}: name: is not a text", hint=_CEP)
    return Recipe(
        path=str(path),
        name=name or None,
        channels=_texts(content.get("channels"), "channels", path),
        dependencies=dependencies,
        pip=pip,
        platforms=_texts(content.get("platforms"), "platforms", path),
        variables=tuple(sorted((str(k), v) for k, v in variables.items())),
        sha256=hashlib.sha256(data).hexdigest(),
    )


def _dependencies(value: Any, path: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:  # noqa: ANN401 - YAML
    if not isinstance(value, list) or not value:
        raise RecipeError(f"{path}: dependencies: is not a list with entries", hint="List at least one package.")
    specs: list[str] = []
    pip: list[str] = []
    for number, item in enumerate(value, 1):
        if isinstance(item, str) and item.strip():
            specs.append(item.strip())
        elif isinstance(item, dict) and set(item) == {"pip"}:
            pip += _texts(item["pip"], "dependencies: pip", path)
        else:
            raise RecipeError(f"{path}: dependencies: entry {number} is neither a package nor `pip:`", hint=_CEP)
    return tuple(specs), tuple(pip)


def _texts(value: Any, key: str, path: Path) -> tuple[str, ...]:  # noqa: ANN401 - YAML
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise RecipeError(f"{path}: {key}: is not a list of texts", hint=_CEP)
    return tuple(item.strip() for item in value if item.strip())


def _folder() -> Path:
    installed = Path(__file__).parent / "data" / "recipes"
    return installed if installed.is_dir() else Path(__file__).parent.parent / "recipes"


def builtin_names() -> tuple[str, ...]:
    """Names of the recipes that envkit brings."""
    return tuple(sorted(path.stem for path in _folder().glob("*.yml")))


def load_builtin(name: str) -> Recipe:
    """Read a recipe that envkit brings.

    Raises:
        RecipeError: There is none of that name.
    """
    path = _folder() / f"{name}.yml"
    if name not in builtin_names():
        raise RecipeError(f"there is no recipe {name!r}", hint=f"Recipes: {', '.join(builtin_names())}.")
    return load_recipe(path)

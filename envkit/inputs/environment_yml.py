"""Read an environment.yml (CEP 24)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from envkit.activation import is_variable
from envkit.errors import RecipeError
from envkit.inputs.requirements import Line, read_lines
from envkit.inputs.yaml import find_lines, parse_yaml
from envkit.models.inputs import Recipe
from envkit.models.pip import FilePlace, PipSection

_KEYS = {"name", "channels", "dependencies", "platforms", "variables", "prefix", "category"}
_MAX_BYTES = 1 << 20
_CEP = "CEP 24 says what an environment.yml may hold: name, channels, dependencies, platforms, variables."


def parse_environment_yml(data: bytes, path: Path) -> Recipe:
    """Parse an environment.yml."""
    if len(data) > _MAX_BYTES:
        raise RecipeError(f"{path} is larger than {_MAX_BYTES // 1024} KiB: not an environment.yml", hint=_CEP)
    try:
        # The base resolver keeps every scalar as text, so that python: 3.10 cannot become 3.1.
        content = parse_yaml(data, kind="base")
    except ValueError as error:
        raise RecipeError(f"{path} is not YAML: {error}", hint=_CEP) from None
    if not isinstance(content, dict):
        raise RecipeError(f"{path} is not an environment.yml: it holds no mapping", hint="It needs `dependencies:`.")
    unknown = sorted(str(key) for key in set(content) - _KEYS)
    if unknown:
        raise RecipeError(
            f"{path}: unknown key {', '.join(unknown)}", hint=f"An environment.yml has: {', '.join(sorted(_KEYS))}."
        )
    dependencies, pip = _dependencies(content.get("dependencies"), path, data)
    variables = content.get("variables") or {}
    if not isinstance(variables, dict) or not all(isinstance(v, str) for v in variables.values()):
        raise RecipeError(f"{path}: variables: is not a mapping of names to values", hint=_CEP)
    bad = next((str(key) for key in variables if not is_variable(str(key))), None)
    if bad is not None:
        raise RecipeError(
            f"{path}: variables: {bad!r} is not a name for a variable",
            hint="Use letters, digits and '_', not starting with a digit: a shell would run other characters.",
        )
    name = content.get("name")
    if name is not None and not isinstance(name, str):
        raise RecipeError(f"{path}: name: is not a string", hint=_CEP)
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


def _dependencies(value: Any, path: Path, data: bytes) -> tuple[tuple[str, ...], PipSection]:
    if not isinstance(value, list) or not value:
        raise RecipeError(f"{path}: dependencies: is not a list with entries", hint="List at least one package.")
    specs: list[str] = []
    pip: list[Line] = []
    for number, item in enumerate(value, 1):
        if isinstance(item, str) and item.strip():
            specs.append(item.strip())
        elif isinstance(item, dict) and set(item) == {"pip"}:
            if not isinstance(item["pip"], list):
                _texts(item["pip"], "dependencies: pip", path)
            pip += _pip_lines(item["pip"], path, data, number - 1)
        else:
            raise RecipeError(f"{path}: dependencies: entry {number} is neither a package nor `pip:`", hint=_CEP)
    # conda hands the section to pip as a requirements file beside the environment.yml.
    return tuple(specs), read_lines(pip, path.parent)


def _pip_lines(items: Any, path: Path, data: bytes, entry: int) -> Iterator[Line]:
    texts = _texts(items, "dependencies: pip", path) and items
    places = find_lines(data, "dependencies", entry, "pip") if texts else []
    for (line, column), text in zip(places, texts, strict=True):
        for offset, part in enumerate(text.split("\n")):
            yield FilePlace(str(path), line + offset, column), part


def _texts(value: Any, key: str, path: Path) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise RecipeError(f"{path}: {key}: is not a list of strings", hint=_CEP)
    return tuple(item.strip() for item in value if item.strip())

"""Recipes: environment.yml files (CEP 24), those that envkit brings and those that users write."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from envkit.activation import is_variable
from envkit.errors import RecipeError
from envkit.models.channel import redact

__all__ = ["Recipe", "builtin_names", "load_builtin", "load_recipe", "parse_yaml"]

_KEYS = {"name", "channels", "dependencies", "platforms", "variables", "prefix", "category"}
_MAX_BYTES = 1 << 20
# In what the YAML reader says: its own words for what it met, and text of the file, from first to last quote.
_TOKEN_KIND = re.compile(r"'(?:<[a-z ]+>|.)'")
_QUOTED = re.compile(r"(['\"]).*\1|['\"].*", re.DOTALL)
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
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise RecipeError(f"{path} cannot be read: {error.strerror}", hint="Check the path after -f.") from error
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
    dependencies, pip = _dependencies(content.get("dependencies"), path)
    variables = content.get("variables") or {}
    if not isinstance(variables, dict) or not all(isinstance(v, str) for v in variables.values()):
        raise RecipeError(f"{path}: variables: is not a mapping of names to values", hint=_CEP)
    bad = next((str(key) for key in variables if not is_variable(str(key))), None)
    if bad is not None:
        raise RecipeError(
            f"{path}: variables: {bad!r} is not a name for a variable",
            hint="Use letters, digits and '_', not starting with a digit: shells run what else stands in a name.",
        )
    name = content.get("name")
    if name is not None and not isinstance(name, str):
        raise RecipeError(f"{path}: name: is not a text", hint=_CEP)
    return Recipe(
        path=str(path),
        name=name or None,
        channels=_texts(content.get("channels"), "channels", path),
        dependencies=dependencies,
        pip=tuple(map(redact, pip)),  # they are shown only
        platforms=_texts(content.get("platforms"), "platforms", path),
        variables=tuple(sorted((str(k), v) for k, v in variables.items())),
        sha256=hashlib.sha256(data).hexdigest(),
    )


def parse_yaml(data: bytes, *, kind: Literal["base", "safe"]) -> Any:
    """The content of a YAML file.

    Args:
        data: The file's bytes.
        kind: ``safe`` for YAML's own types, ``base`` for text only.

    Raises:
        ValueError: It is none. The message names the fault and its place and quotes nothing: the file may hold
            passwords.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        return YAML(typ=kind, pure=True).load(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start}") from None
    except MarkedYAMLError as error:
        problem = error.problem or error.context or "it cannot be read"
        if not set(_TOKEN_KIND.sub("", problem)).isdisjoint("'\""):
            problem = _QUOTED.sub("...", problem)
        mark = error.problem_mark or error.context_mark
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        raise ValueError(f"{' '.join(problem.split())}{where}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except (YAMLError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError) as error:
        raise ValueError(f"a value or a character in it has no meaning ({type(error).__name__})") from None


def _dependencies(value: Any, path: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
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


def _texts(value: Any, key: str, path: Path) -> tuple[str, ...]:
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

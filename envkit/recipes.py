"""The recipes that envkit ships: environment.yml files for common needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from envkit.errors import RecipeError
from envkit.paths import recipes_folder

if TYPE_CHECKING:
    from envkit.models.inputs import Recipe

_TABLE = Path(__file__).parent / "data" / "reference" / "recipes.txt"


def builtin_names() -> tuple[str, ...]:
    """Return the names of the shipped recipes, sorted."""
    return tuple(sorted(path.stem for path in Path(recipes_folder()).glob("*.yml")))


def builtin_rows() -> list[list[str]]:
    """Return the name, the audience and the packages of each shipped recipe, without reading the recipes."""
    return [line.split("\t") for line in _TABLE.read_text(encoding="utf-8").splitlines()]


def builtin_table() -> str:
    """Return the file that `builtin_rows` reads, made from the recipes."""
    found = [load_builtin(name) for name in builtin_names()]
    rows = [(one.name or "", one.block.audience if one.block else "", " ".join(one.dependencies)) for one in found]
    return "".join("\t".join(" ".join(cell.split()) for cell in row) + "\n" for row in rows)


def builtin_path(name: str) -> Path:
    """Return the file of a shipped recipe.

    Raises:
        RecipeError: There is no recipe of that name.
    """
    if name not in builtin_names():
        raise RecipeError(f"there is no recipe {name!r}", hint=f"Recipes: {', '.join(builtin_names())}.")
    return Path(recipes_folder()) / f"{name}.yml"


def load_notebook(name: str) -> str:
    """Read the source of a shipped recipe's notebook; see `envkit.notebooks.source`.

    Raises:
        RecipeError: There is no recipe of that name, or it has no notebook.
    """
    folder = Path(recipes_folder())
    path = folder / f"{name}.md"
    known = sorted(each.stem for each in folder.glob("*.md"))
    if name not in known:
        what = "has no notebook" if name in builtin_names() else "is not known"
        raise RecipeError(f"the recipe {name!r} {what}", hint=f"Recipes with a notebook: {', '.join(known)}.")
    return path.read_text(encoding="utf-8")


def container_files() -> tuple[Path, ...]:
    """Return the files of the container that envkit brings: Dockerfile, compose files, entrypoint."""
    return tuple(sorted(path for path in (Path(recipes_folder()) / "container").iterdir() if path.is_file()))


def load_builtin(name: str) -> Recipe:
    """Read a shipped recipe.

    Raises:
        RecipeError: There is no recipe of that name.
    """
    from envkit.inputs.environment_yml import parse_environment_yml

    path = builtin_path(name)
    return parse_environment_yml(path.read_bytes(), path)

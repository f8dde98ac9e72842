"""Read a file of packages, in whichever format it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from envkit.errors import RecipeError
from envkit.inputs.environment_yml import parse_environment_yml
from envkit.inputs.explicit import is_explicit, parse_explicit
from envkit.models.inputs import Locked, Recipe

_MAX_BYTES = 64 << 20

_FORMATS: tuple[tuple[Callable[[bytes], bool], Callable[[bytes, Path], Recipe | Locked]], ...] = (
    (is_explicit, parse_explicit),
)


def read_input(path: Path) -> Recipe | Locked:
    """Read a file of packages; a file of no other format is read as an environment.yml.

    Raises:
        RecipeError: The file cannot be read, or breaks the rules of its format.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise RecipeError(f"{path} cannot be read: {error.strerror}", hint="Check the path after -f.") from error
    if len(data) > _MAX_BYTES:
        raise RecipeError(f"{path} is larger than {_MAX_BYTES >> 20} MiB", hint="Give a file of packages with -f.")
    parse = next((parse for recognises, parse in _FORMATS if recognises(data)), parse_environment_yml)
    return parse(data, path)

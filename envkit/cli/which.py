"""The environment that a command is about: by argument, -n or -p, else the active one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from envkit.cli import complete
from envkit.cli.declared import argument, option
from envkit.errors import UsageError
from envkit.paths import PRIVATE, split_generation

Argument = Annotated[
    str | None,
    argument(metavar="[NAME]", show_default="the active one", help="An environment.", complete=complete.names),
]
AnyArgument = Annotated[
    str | None,
    argument(
        metavar="[NAME|PREFIX]",
        show_default="the active one",
        help="An environment, or a path: conda, pixi, venv.",
        complete=complete.names,
    ),
]
Name = Annotated[str | None, option("-n", "--name", metavar="NAME", help="The same by name.", complete=complete.names)]
Prefix = Annotated[Path | None, option("-p", "--prefix", metavar="DIR", help="The same by path.")]


_ONE = "Give NAME, -n NAME or -p DIR. About one package of it: envkit why PACKAGE -n NAME."


def environment(
    argument: str | None, name: str | None, prefix: Path | None, persist: Path | None
) -> tuple[str, Path | None]:
    """Return the environment meant, by its name, and the volume that it lies on; None for the configured one.

    Raises:
        UsageError: None or two are given, or the path is not that of an environment of envkit.
    """
    given = anything(argument, name, prefix)
    if "/" not in given:
        return given, persist
    found = _split(given)
    if found is None:
        raise UsageError(
            f"{given} is not an environment of envkit",
            hint="Give one of `envkit list`, by its name, or with -p the path of its link.",
        )
    return found[1], Path(found[0])


def anything(argument: str | None, name: str | None, prefix: Path | None) -> str:
    """Return the environment meant: its name, or the path of one that any tool has made, with a slash.

    Raises:
        UsageError: None or two are given, or an empty one.
    """
    given = [text for text in (argument, name, prefix) if text is not None]
    if len(given) > 1:
        raise UsageError("more than one environment is given", hint=_ONE)
    if not given:
        active = os.environ.get("CONDA_PREFIX") or os.environ.get("VIRTUAL_ENV")
        if not active:
            hint = "Give its name, -n NAME or -p DIR; `envkit list` shows them."
            raise UsageError("no environment is given, and none is active", hint=hint)
        return os.path.abspath(active)
    if not str(given[0]):
        raise UsageError("the name of the environment is empty", hint="`envkit list` shows the names.")
    if prefix is not None:
        return os.path.abspath(prefix)
    return str(given[0])


def is_active() -> bool:
    """Return whether an environment is active in the calling shell."""
    return bool(os.environ.get("CONDA_PREFIX"))


def _split(path: str) -> tuple[str, str] | None:
    """Return the volume and the name of an environment from the path of its link or of one of its generations."""
    from envkit.client.volume import environment_name, linked_generation

    path = os.path.abspath(path)
    root, name = os.path.split(path)
    if os.path.isdir(os.path.join(root, PRIVATE)) and linked_generation(root, name) is not None:
        return root, name
    for place in (path, os.path.realpath(path)):
        found = split_generation(place)
        owner = environment_name(place) if found is not None else None
        if found is not None and owner is not None:
            return found[0], owner
    return None

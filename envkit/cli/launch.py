"""``envkit run``: from the command line to the command in a few milliseconds. Imports little; the rest asks it too."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple, NoReturn

from envkit.activated import environ_of
from envkit.client.volume import environment_name, generation_of, locate_volume, unknown
from envkit.errors import EnvkitError, UnknownEnvironmentError, UsageError

__all__ = ["Place", "find_place", "run_command", "run_quickly"]


class Place(NamedTuple):
    """A prefix to work in, resolved, and what it is called."""

    prefix: str
    name: str | None


def find_place(name: str, persist: str | os.PathLike[str] | None) -> Place:
    """The prefix of an environment, by name on the volume or by path; links are resolved, once.

    Raises:
        UnknownEnvironmentError: There is none.
    """
    if "/" not in name:
        root = locate_volume(persist)
        prefix = generation_of(root, name)
        if prefix is None:
            raise unknown(root, name)
        return Place(prefix, name)
    prefix = os.path.realpath(name)
    if not os.path.isdir(prefix):  # noqa: PTH112 - pathlib is milliseconds
        raise UnknownEnvironmentError(f"there is no environment at {name}", hint="Check the path.")
    return Place(prefix, environment_name(prefix))


def run_quickly(argv: Sequence[str]) -> None:
    """Do ``run`` when its arguments are plain; return when the whole command line has to look at them.

    Args:
        argv: What stands behind ``run``.
    """
    words = list(argv)
    persist: str | None = None
    while words and words[0].startswith("-") and words[0] != "--":
        option, equals, value = words.pop(0).partition("=")
        if option != "--persist" or not (equals or words):
            return
        persist = value if equals else words.pop(0)
    name, *command = words or [""]
    command = command[1:] if command[:1] == ["--"] else command
    if not name or name == "--" or not command:
        return
    try:
        run_command(find_place(name, persist), command)
    except EnvkitError:
        return  # it is met again there, and told as every error is


def run_command(place: Place, command: Sequence[str]) -> NoReturn:
    """Replace this process by a command in an environment: signals and exit code are the command's own.

    Raises:
        UsageError: There is no such command.
        ValidationFailedError: An activation script of the environment does not run.
    """
    prefix = place.prefix
    if os.path.isdir(os.path.join(prefix, "conda-meta")):  # noqa: PTH112, PTH118
        env = environ_of(prefix, os.environ, name=place.name)
    else:
        env = {k: v for k, v in os.environ.items() if k != "PYTHONHOME"}
        env["PATH"] = os.pathsep.join([os.path.join(prefix, "bin"), env.get("PATH", os.defpath)])  # noqa: PTH118
        env["VIRTUAL_ENV"] = prefix
    try:
        os.execvpe(command[0], list(command), env)  # noqa: S606 - that is the verb
    except FileNotFoundError as error:
        raise UsageError(
            f"there is no command {command[0]!r} in {place.name or prefix} or on PATH",
            hint=f"Commands of the environment are in {prefix}/bin.",
        ) from error
    except OSError as error:
        raise UsageError(f"{command[0]} cannot be started: {error.strerror}", hint="Is it executable?") from error

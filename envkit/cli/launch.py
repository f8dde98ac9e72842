"""Start jobs and activate shells: run, activate, deactivate. Imports little: they take milliseconds."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from envkit.activated import environ_of
from envkit.activation import plan_activate, plan_deactivate, replace_process
from envkit.client.standing import standing_note
from envkit.client.use import share_for_life
from envkit.client.volume import (
    chosen_beside,
    chosen_generation,
    environment_name,
    load_manifest,
    locate_volume,
    settle,
    unknown,
)
from envkit.errors import EnvkitError, UnknownEnvironmentError, UsageError
from envkit.layout.mounting import enter_packed, is_packed
from envkit.marks import calling_shells, leave_mark
from envkit.paths import GENERATIONS, PRIVATE
from envkit.printable import printable
from envkit.shells import detect_shell, dialect, render
from envkit.tuples import NamedTuple

# The options that need no command line parser, each by its meaning.
_RUN = {"--persist": "persist", "-n": "name", "--name": "name", "--stage": "stage"}
_ACTIVATE = {"--persist": "persist", "--shell": "shell"}


class Place(NamedTuple):
    """A prefix to work in, resolved, and the name of its environment."""

    prefix: str
    name: str | None


def find_place(name: str, persist: str | os.PathLike[str] | None) -> Place:
    """Return the prefix of an environment, by name on the volume or by path; resolve its links, once.

    Raises:
        UnknownEnvironmentError: There is none.
        VolumeError: The volume is mounted elsewhere than when it was made.
    """
    if "/" not in name:
        root = locate_volume(persist, name)
        prefix = chosen_generation(root, name)
        if prefix is None:
            raise unknown(root, name)
        return Place(settle(prefix, load_manifest(prefix)), name)
    prefix = os.path.realpath(name)
    if not os.path.isdir(prefix):
        raise UnknownEnvironmentError(f"there is no environment at {name}", hint="Check the path.")
    if os.path.islink(name.rstrip("/")) and os.path.basename(os.path.dirname(prefix)) == GENERATIONS:
        prefix = chosen_beside(prefix, name)
    return Place(prefix, environment_name(prefix))


def find_staged(name: str, persist: str | os.PathLike[str] | None, place: str) -> Place | None:
    """Return the copy of an environment on this node's own disk; None if it has to be made first.

    Where the volume is gone, the newest copy of that name counts.
    """
    from envkit.layout.staged import staged_by_name, staged_prefix

    place = os.path.abspath(place)
    try:
        found = find_place(name, persist)
    except UnknownEnvironmentError:
        root = locate_volume(persist, name)
        copy = staged_by_name(place, root, name) if not os.path.isdir(os.path.join(root, PRIVATE)) else None
        if copy is None:
            raise
        sys.stderr.write(f"envkit: there is no volume at {printable(root)} now: {name} runs in {printable(copy)}\n")
        return Place(copy, name)
    copy = staged_prefix(place, found.prefix)
    return Place(copy, found.name) if copy is not None else None


def activation_code(name: str, persist: str | os.PathLike[str] | None, shell: str | None) -> str:
    """Return code that activates an environment; without a shell, for the calling one."""
    spoken = dialect(shell or detect_shell(os.environ))
    place = find_place(name, persist)
    if is_packed(place.prefix):
        raise UsageError(
            f"{name} is only a pack on its volume: it can be mounted for a command, not for a shell that runs",
            hint=f"envkit run {name} -- CMD, or copy it: envkit stage {name} --to DIR.",
        )
    for shell_pid in calling_shells():
        leave_mark(place.prefix, shell_pid)
    return render(plan_activate(place.prefix, os.environ, name=place.name, suffix=spoken.suffix), spoken)


def deactivation_code(shell: str | None) -> str:
    """Return code with which a shell leaves its environment."""
    spoken = dialect(shell or detect_shell(os.environ))
    steps = plan_deactivate(os.environ, suffix=spoken.suffix)
    if steps is None:
        raise UsageError("no environment is active", hint='Activate one with: eval "$(envkit activate NAME)"')
    return render(steps, spoken)


def become(place: Place, command: Sequence[str]) -> NoReturn:
    """Replace this process by a command in an environment: signals and exit code are the command's own.

    Raises:
        UsageError: There is no such command.
        ValidationFailedError: An activation script of the environment does not run.
    """
    prefix = place.prefix
    enter_packed(prefix)
    note = standing_note(prefix, place.name)
    if note is not None:
        sys.stderr.write(f"envkit: {printable(note)}\n")
        sys.stderr.flush()
    share_for_life(prefix)  # `clean` leaves what is in use
    leave_mark(prefix, os.getpid())  # where locks do not reach other hosts; the command keeps the number
    if os.path.isdir(os.path.join(prefix, "conda-meta")):
        env = environ_of(prefix, os.environ, name=place.name)
    else:
        env = {k: v for k, v in os.environ.items() if k != "PYTHONHOME"}
        env["PATH"] = os.pathsep.join([os.path.join(prefix, "bin"), env.get("PATH", os.defpath)])
        env["VIRTUAL_ENV"] = prefix
    try:
        replace_process(command, env)
    except FileNotFoundError as error:
        raise UsageError(
            f"there is no command {command[0]!r} in {place.name or prefix} or on PATH",
            hint=f"Commands of the environment are in {prefix}/bin.",
        ) from error
    except OSError as error:
        raise UsageError(f"{command[0]} cannot be started: {error.strerror}", hint="Is it executable?") from error


def leading_persist(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """Split a ``--persist DIR`` off the words after the name of `run`; what follows, without ``--``, is the command."""
    words, persist = list(words), None
    if words and words[0].startswith("--persist="):
        persist = words.pop(0).partition("=")[2]
    elif words[:1] == ["--persist"] and len(words) > 1:
        persist = words[1]
        del words[:2]
    return persist, words[1:] if words[:1] == ["--"] else words


def do_quickly(argv: Sequence[str]) -> bool:
    """Do `run`, `activate` or `deactivate`; return False, for the whole command line, if anything is not plain."""
    verb, *words = argv
    flags: dict[str, str] = {}
    known = _RUN if verb == "run" else _ACTIVATE
    names: list[str] = []
    while words and not (verb == "run" and names) and words[0] != "--":
        word = words.pop(0)
        if not word.startswith("-"):
            names.append(word)
            continue
        option, equals, value = word.partition("=")
        if option not in known or not (equals or words):
            return False
        flags[known[option]] = value if equals else words.pop(0)
        if verb == "run" and known[option] == "name":
            names.append(flags["name"])
    active = os.environ.get("CONDA_PREFIX", "")
    if verb == "run" and not names and words[:1] == ["--"] and "/" in active:
        names.append(active)
    later, command = leading_persist(words)
    if later is not None:
        flags["persist"] = later
    try:
        stage = flags.get("stage") or os.environ.get("ENVKIT_STAGE")
        if verb == "run" and len(names) == 1 and command:
            place = find_staged(names[0], flags.get("persist"), stage) if stage else None
            if stage and place is None:
                return False  # it is copied first
            become(place or find_place(names[0], flags.get("persist")), command)
        elif verb == "activate" and len(names) == 1 and not words and not sys.stdout.isatty():
            sys.stdout.write(activation_code(names[0], flags.get("persist"), flags.get("shell")))
        elif verb == "deactivate" and not names and not words and not sys.stdout.isatty():
            sys.stdout.write(deactivation_code(flags.get("shell")))
        else:
            return False
    except (EnvkitError, UnicodeError):
        return False
    return True

"""list, show, run: what is on a volume, and a command in it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from envkit.api.validate import run_environment
from envkit.errors import IntegrityError, UnknownEnvironmentError, UsageError
from envkit.layout.generation import read_manifest, resolve
from envkit.layout.health import size_bytes
from envkit.layout.validations import last_pass, latest_validation, read_validation
from envkit.layout.volume import Volume, environments
from envkit.models.results import EnvironmentInfo, VolumeListing

__all__ = ["list_environments", "run_command", "show_environment"]


def list_environments(volume: Volume, *, fingerprint: str | None = None) -> VolumeListing:
    """The environments of a volume, by name. Damaged ones are listed, with what is wrong.

    Args:
        volume: Which one.
        fingerprint: Of this host: a validation on its kind is preferred over later ones elsewhere.
    """
    found = [_info(volume, name, prefix, fingerprint) for name, prefix in environments(volume)]
    return VolumeListing(str(volume.root), tuple(found))


def show_environment(volume: Volume, name: str, *, fingerprint: str | None = None) -> EnvironmentInfo:
    """One environment.

    Raises:
        UnknownEnvironmentError: There is none of that name.
    """
    prefix = resolve(volume, name)
    if prefix.parent != volume.generations:
        raise UnknownEnvironmentError(
            f"{name} is no environment of {volume.root}",
            hint="show takes a name; envkit validate takes any prefix.",
        )
    return _info(volume, prefix.name.rsplit("-", 1)[0] if "/" in name else name, prefix, fingerprint)


def _info(volume: Volume, name: str, prefix: Path, fingerprint: str | None) -> EnvironmentInfo:
    manifest, problem = None, None
    try:
        manifest = read_manifest(prefix)
        if manifest is None:
            problem = "its generation is unfinished" if prefix.is_dir() else "its generation is gone"
    except IntegrityError as error:
        problem = error.message
    validated = read_validation(volume, prefix.name, fingerprint) if fingerprint else None
    return EnvironmentInfo(
        name=name,
        path=str(volume.root / name),
        prefix=str(prefix),
        manifest=manifest,
        size_bytes=size_bytes(prefix),
        validated=validated or latest_validation(volume, prefix.name),
        here=validated is not None,
        passed=last_pass(volume, prefix.name),
        problem=problem,
    )


# Sources the environment's activation scripts, then becomes the command: signals and exit code pass through.
_ACTIVATE = 'for f in "$CONDA_PREFIX"/etc/conda/activate.d/*.sh; do [ -e "$f" ] && . "$f"; done; exec "$@"'


def run_command(volume: Volume | None, name: str, command: Sequence[str]) -> NoReturn:
    """Replace this process by a command in an environment.

    Raises:
        UnknownEnvironmentError: There is no such environment.
        UsageError: There is no such command.
    """
    prefix = resolve(volume, name)
    manifest = read_manifest(prefix)
    env = run_environment(prefix, os.environ, name=manifest.name if manifest else None)
    env.update(manifest.request.variables if manifest else {})
    if any((prefix / "etc" / "conda" / "activate.d").glob("*.sh")):
        os.execve("/bin/sh", ["sh", "-c", _ACTIVATE, "envkit-run", *command], env)  # noqa: S606 - that is the verb
    try:
        os.execvpe(command[0], list(command), env)  # noqa: S606 - that is the verb
    except FileNotFoundError as error:
        raise UsageError(
            f"there is no command {command[0]!r} in {name} or on PATH",
            hint=f"Commands of the environment are in {prefix / 'bin'}.",
        ) from error
    except OSError as error:
        raise UsageError(f"{command[0]} cannot be started: {error.strerror}", hint="Is it executable?") from error

"""Read links, manifests and validations from a volume with the standard library only."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from envkit.errors import IntegrityError, TamperedError, UnknownEnvironmentError, UsageError, VolumeError
from envkit.layout.private import read_file
from envkit.paths import (
    GENERATIONS,
    MANIFEST,
    PRIVATE,
    PROFILES,
    names_there,
    validation_folders,
    volume_path,
)

if TYPE_CHECKING:
    from envkit.profiles import Facts

_VARIABLES = ("CONDA_ENVS_DIRS", "CONDA_ENVS_PATH")


def locate_volume(persist: str | os.PathLike[str] | None, name: str | None = None) -> str:
    """Return the root of the volume: from the argument, else the variable, else settings files.

    Args:
        name: An environment: of several roots, the one that has it.

    Raises:
        SettingsError: A settings file cannot be read, or two settings contradict each other.
    """
    found = _plain_volume(persist)
    if found is not None:
        return found
    from envkit.settings import load_settings

    return str(load_settings(name=name).volume)


def locate_volumes(persist: str | os.PathLike[str] | None) -> list[str]:
    """Return the root of every volume that is named, in order; see `locate_volume`."""
    found = _plain_volume(persist)
    if found is not None:
        return [found]
    from envkit.settings import load_settings

    return [str(root) for root in load_settings().volumes]


def _plain_volume(persist: str | os.PathLike[str] | None) -> str | None:
    """Return the root of the volume where one plain path names it; None for what only `envkit.settings` can tell."""
    if persist is not None:
        return volume_path(os.fspath(persist), os.environ)
    values = {os.environ[name] for name in _VARIABLES if os.environ.get(name)}
    if len(values) == 1:
        value = values.pop()
        # Images set one plain path. Lists, variables and contradictions are left to `envkit.settings`.
        if os.path.isabs(value) and not set(value) & {os.pathsep, "$", "~"}:
            return volume_path(value, os.environ)
    return None


def linked_generation(root: str, name: str) -> str | None:
    """Return the generation that an environment's link points to; None if there is no such environment."""
    if not isinstance(name, str):
        raise UsageError(
            f"the name of an environment is a text, not {type(name).__name__}",
            hint='The name comes first, then the packages: ensure("train", ["pytorch"]).',
        )
    if not name or name.startswith((".", "-")) or "/" in name or "\0" in name:
        raise UsageError(f"not a name for an environment: {name!r}", hint="Give the name that `envkit list` shows.")
    try:
        target = os.readlink(os.path.join(root, name))
    except OSError:
        return None
    path = os.path.normpath(os.path.join(root, target))
    # envkit makes no links to other places.
    if os.path.dirname(path) != os.path.join(root, PRIVATE, GENERATIONS) or not os.path.isdir(path):
        return None
    return path


def chosen_generation(root: str, name: str) -> str | None:
    """Return the generation of an environment that this host gets: that of its profile, or the one of the link.

    Raises:
        HostCannotRunError: No profile serves this host; the hint has the cure.
        IntegrityError: The profiles are damaged.
    """
    prefix = linked_generation(root, name)
    return None if prefix is None else chosen_beside(prefix, name)


def chosen_beside(prefix: str, name: str) -> str:
    """Return the generation that this host gets, given the one that a link names; see `chosen_generation`."""
    if not os.path.lexists(os.path.join(prefix, PROFILES)):
        return prefix
    from envkit.layout.profiles import prefix_for

    root = os.path.dirname(os.path.dirname(os.path.dirname(prefix)))
    return prefix_for(prefix, name, lambda: _facts_now(root, prefix))


def _facts_now(root: str, prefix: str) -> Facts:
    from envkit.host.profile_facts import facts_now
    from envkit.layout.profiles import read_profiles

    generations = (profile.generation for profile in read_profiles(prefix))
    return facts_now(record for generation in generations for record in read_validations(root, generation))


def unknown(root: str, name: str) -> UnknownEnvironmentError:
    """Return the error for an unknown name; it lists the known ones."""
    try:
        known = [name for name in sorted(os.listdir(root)) if name[0] not in ".-" and linked_generation(root, name)]
    except OSError:
        hint = "Is it mounted? Another directory: --persist DIR (in Python: persist=)."
        return UnknownEnvironmentError(f"there is no volume at {root}", hint=hint)
    hint = f"{names_there(name, known)} Another volume: --persist DIR (in Python: persist=). "
    hint += f"Make it: envkit create -n {name}."
    return UnknownEnvironmentError(f"there is no environment {name!r} in {root}", hint=hint)


def environment_name(prefix: str) -> str | None:
    """Return the name of a generation's environment; None for a prefix of another tool."""
    if not os.path.exists(os.path.join(prefix, MANIFEST)):
        return None
    name = load_manifest(prefix).get("name")
    return name if isinstance(name, str) else None


def load_manifest(prefix: str) -> dict[str, Any]:
    """Read the manifest of a generation.

    Raises:
        IntegrityError: It is missing or invalid.
    """
    try:
        manifest = json.loads(read_file(os.path.join(prefix, MANIFEST)))
        if manifest["schema_version"] != 1 or not isinstance(manifest["request"], dict):
            raise ValueError("another schema")  # noqa: TRY301 - told as one with the others
        return dict(manifest)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise IntegrityError(
            f"the manifest of {prefix} cannot be read: {type(error).__name__}: {error}",
            hint="It was written by a newer envkit, or damaged. Make the environment again with create --replace.",
        ) from error


def settle(prefix: str, manifest: Mapping[str, Any]) -> str:
    """Return the path at which a generation can be used: the one that is baked into its files.

    Raises:
        VolumeError: The volume is mounted elsewhere than when the generation was made.
        IntegrityError: It has lost the rule of its profiles.
    """
    if manifest.get("profile") and not manifest.get("side") and not os.path.lexists(os.path.join(prefix, PROFILES)):
        raise IntegrityError(
            f"{prefix} has lost the rule of its profiles, so that machines cannot choose",
            hint="`envkit rollback` goes back; `envkit create --replace --hosts FILE` makes the profiles again.",
        )
    baked = str(manifest.get("prefix") or prefix)
    if baked == prefix:
        return prefix
    with contextlib.suppress(OSError):
        if os.path.samefile(baked, prefix):
            return baked
    raise VolumeError(
        f"{prefix} was made as {baked}, which its files name, and these are not the same directory",
        hint="Link its packages anew (seconds): envkit doctor --fix. Or mount the volume where it was, or put a "
        "symbolic link there.",
    )


def find_validation(root: str, generation: str, *, token: str, fingerprint: str | None) -> dict[str, Any] | None:
    """Return the validation on this kind of host: by its fingerprint, or by the token of `fingerprint_now`."""
    return validation_among(read_validations(root, generation), token=token, fingerprint=fingerprint)


def validation_among(known: Sequence[dict[str, Any]], *, token: str, fingerprint: str | None) -> dict[str, Any] | None:
    """Return the validation on this kind of host among those of a generation; see `find_validation`."""
    return next((r for r in known if r.get("fingerprint") == fingerprint or token in r.get("tokens", ())), None)


def read_validations(root: str, generation: str) -> list[dict[str, Any]]:
    """Return the validations of a generation on all kinds of host, newest first."""
    found: list[dict[str, Any]] = []
    from envkit.host.cache import default_cache_dir

    for folder in validation_folders(root, generation, default_cache_dir(os.environ)):
        with contextlib.suppress(OSError):
            records = (_read(os.path.join(folder, name)) for name in os.listdir(folder) if name.endswith(".json"))
            found += [record for record in records if record]
    return sorted(found, key=lambda record: str(record.get("created", "")), reverse=True)


def _read(path: str) -> dict[str, Any]:
    try:
        record = json.loads(read_file(path))
    except (OSError, ValueError, RecursionError, TamperedError):
        return {}
    return record if isinstance(record, dict) and record.get("schema_version") == 1 else {}

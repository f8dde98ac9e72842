"""Lineages: the generations of one environment, also across renames."""

from __future__ import annotations

import os
from collections.abc import Container, Mapping
from pathlib import Path

from envkit.errors import UnknownEnvironmentError, UsageError
from envkit.layout.generation import active, known_manifest, list_generations, list_manifests, read_manifest, resolve
from envkit.layout.volume import Volume
from envkit.models.manifest import Manifest
from envkit.values import dataclass


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a generation comes from."""

    lineage: str  # id shared by all generations of one environment. A rename keeps it, a clone starts a new one
    number: int  # number of the generation in its lineage, from 1
    parent: str | None  # the generation that was active when this one was made; None for the first
    verb: str  # the command that made it

    @classmethod
    def first(cls, verb: str) -> Origin:
        """Start a new lineage."""
        return cls(os.urandom(8).hex(), 1, None, verb)


def generations_of(volume: Volume, name: str) -> list[Manifest]:
    """List the finished generations of an environment, oldest first, without those that cannot be read.

    Of profiles, which have one number, it is the one that the link names.
    """
    return [manifest for manifest in members_of(volume, name) if not manifest.side]


def members_of(volume: Volume, name: str) -> list[Manifest]:
    """List the finished generations of an environment with every profile; see `generations_of`."""
    current = read_manifest(resolve(volume, name))
    if current is None:
        raise UnknownEnvironmentError(
            f"the generation that {name} points to is unfinished or gone",
            hint=f"envkit doctor {name} says more; envkit create --replace makes it again.",
        )
    found = (manifest for _, manifest in list_manifests(volume) if manifest and manifest.lineage == current.lineage)
    return sorted(found, key=lambda m: (m.number, m.created, m.generation))


def sets_of(members: Mapping[str, Manifest], linked: Container[str]) -> list[tuple[Manifest, list[str]]]:
    """Return the generations of one lineage that nothing points to, newest first: each with the profiles beside it.

    Profiles of one change have its number. Those whose change died before the link named them come last, each alone.
    """
    sides: dict[int, list[str]] = {}
    for name, manifest in sorted(members.items()):
        if manifest.side:
            sides.setdefault(manifest.number, []).append(name)
    heads = sorted(
        ((manifest, name) for name, manifest in members.items() if not manifest.side),
        key=lambda item: (item[0].number, item[0].created),
        reverse=True,
    )
    sets = [(manifest, [name, *sides.pop(manifest.number, ())], name in linked) for manifest, name in heads]
    dead = [(members[name], [name]) for names in sides.values() for name in names if name not in linked]
    return [(manifest, names) for manifest, names, is_linked in sets if not is_linked] + dead


def directories_of(volume: Volume, name: str) -> dict[str, Path]:
    """Map each finished generation of an environment to its directory. Links are not followed."""
    members = {manifest.generation for manifest in members_of(volume, name)}
    return {path.name: path for path in list_generations(volume) if path.name in members}


def next_origin(volume: Volume, name: str, verb: str) -> Origin:
    """Return the origin of the next generation of `name`: the active one is its parent."""
    manifest = known_manifest(active(volume, name))
    if manifest is None:
        return Origin.first(verb)
    last = max((m.number for m in members_of(volume, name)), default=manifest.number)
    return Origin(manifest.lineage, last + 1, manifest.generation, verb)


def previous(volume: Volume, name: str) -> Manifest | None:
    """Return the generation to roll back to: the parent of the active one, else the last before it.

    After a rollback it is the newest again, so that two rollbacks end where they began.
    """
    current = active(volume, name)
    known = generations_of(volume, name)
    here = next((m for m in known if current is not None and m.generation == current.name), None)
    if here is None:
        return None
    if known[-1].number > here.number:
        return known[-1]
    parent = next((m for m in known if m.generation == here.parent), None)
    older = [m for m in known if m.number < here.number]
    return parent or (older[-1] if older else None)


def generation_of(volume: Volume | None, reference: str) -> Path:
    """Return the prefix that a reference names: ``NAME``, ``NAME@N``, a generation, or a path.

    Raises:
        UnknownEnvironmentError: There is no such environment.
        UsageError: The reference is malformed.
    """
    if volume is None or "/" in reference:
        return resolve(volume, reference)
    name, at, number = reference.partition("@")
    if not at:
        direct = volume.generations / name
        return direct if active(volume, name) is None and direct.is_dir() else resolve(volume, name)
    if not number.isdigit():
        raise UsageError(f"{reference!r} names no generation", hint="Write NAME@N, such as train@2.")
    known = generations_of(volume, name)
    for manifest in known:
        if manifest.number == int(number):
            return directories_of(volume, name)[manifest.generation]
    numbers = ", ".join(str(m.number) for m in known)
    raise UnknownEnvironmentError(
        f"{name} has no generation {number}", hint=f"It has {numbers}. See `envkit history {name}`."
    )

"""Environments made anywhere, as the values that files of packages are written from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from envkit.api.export import export_manifest, yaml_document
from envkit.api.lock import name_environments
from envkit.api.records import records_of
from envkit.api.wheels import wheels_of
from envkit.errors import IntegrityError, UnknownEnvironmentError
from envkit.layout.exported import added_distributions, prefix_records, requested_specs
from envkit.layout.generation import read_manifest
from envkit.layout.lineage import generation_of
from envkit.layout.profiles import profile_prefix, read_profiles
from envkit.layout.volume import Volume
from envkit.models.channel import parse_channel
from envkit.models.inputs import Locked
from envkit.models.manifest import Manifest
from envkit.values import dataclass, field, replace
from envkit.wheels.locked import distribution_of


@dataclass(frozen=True, slots=True)
class Exported:
    """One environment, exactly and as it was asked for."""

    name: str  # its name
    part: Locked  # its packages
    document: Mapping[str, Any]  # an environment.yml of the request, or of the packages
    flags: Mapping[str, str] = field(default_factory=dict)  # flags of ``create`` that an environment.yml cannot hold
    added: tuple[tuple[str, str], ...] = ()  # distributions that pip brought, of which no lock is known


def export_environment(
    volume: Volume | None, reference: str, *, pins: bool = False, prefix: Path | None = None
) -> Exported:
    """Return an environment, whichever tool made it; with `prefix`, that one of its profiles.

    Raises:
        UnknownEnvironmentError: There is none of that name, or at that path.
        IntegrityError: Its records cannot be read.
    """
    prefix = prefix or generation_of(volume, reference)
    if read_manifest(prefix) is None:
        return _foreign(prefix, pins=pins)
    manifest = export_manifest(volume, reference, prefix)
    try:
        channels = tuple(map(parse_channel, manifest.channels))
    except ValueError as error:
        raise IntegrityError(
            f"the manifest of {manifest.name} names channels that are none: {error}",
            hint="It was damaged or changed. Make the environment again with create --replace.",
        ) from error
    wheels = tuple(map(distribution_of, wheels_of(manifest)))
    platform = _platform(manifest)
    part = Locked(manifest.prefix, records_of(manifest), channels, platform=platform, distributions=wheels)
    flags = {"cuda": manifest.request.cuda, "prefer": manifest.request.prefer}
    defaults = {"cuda": "auto", "prefer": "version"}
    kept = {name: value for name, value in flags.items() if value != defaults[name]}
    return Exported(manifest.name, part, yaml_document(manifest, pins=pins), kept)


def export_profiles(volume: Volume, reference: str) -> tuple[tuple[Locked, ...], dict[str, Any]]:
    """Return all profiles of an environment as the parts of one lock file, and what the file notes of their machines.

    None where it has no profiles.
    """
    prefix = generation_of(volume, reference)
    profiles = read_profiles(str(prefix))
    parts, machines = [], {}
    for profile in profiles:
        path = Path(profile_prefix(str(prefix), profile))
        parts.append(replace(export_environment(volume, reference, prefix=path).part, environment=profile.name))
    named = name_environments(parts)
    for profile, part in zip(profiles, named, strict=True):
        manifest = read_manifest(Path(profile_prefix(str(prefix), profile)))
        target = (
            {key: value for key, value in manifest.target.items() if value not in (None, [], False)} if manifest else {}
        )
        machines[profile.name] = {"environment": part.environment, **target}
    return named, {"machines": machines} if machines else {}


def _platform(manifest: Manifest) -> str | None:
    subdirs = {package.subdir for package in manifest.packages} - {"noarch"}
    return manifest.request.platform or min(subdirs, default=None)


def _foreign(prefix: Path, *, pins: bool) -> Exported:
    """Read a prefix of another tool: its request as ``conda-meta`` keeps it, else every package by version."""
    records, channels = prefix_records(prefix)
    if not records:
        raise UnknownEnvironmentError(
            f"{prefix} holds no conda packages", hint="A virtual environment is exported with `uv pip freeze`."
        )
    subdirs = {record.subdir for record in records} - {"noarch"}
    part = Locked(str(prefix), records, channels, platform=min(subdirs, default=None))
    requested = () if pins else requested_specs(prefix)
    every = [f"{r.name}={r.version}={r.build}" if pins else f"{r.name}={r.version}" for r in records]
    added = added_distributions(prefix)
    pip = [{"pip": [f"{name}=={version}" for name, version in added]}] if added else []
    document = {
        "name": prefix.name,
        "channels": [channel.name for channel in channels],
        "dependencies": [*(requested or every), *pip],
    }
    return Exported(prefix.name, part, document, added=added)

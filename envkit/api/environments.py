"""list, show: the environments of a volume."""

from __future__ import annotations

from pathlib import Path

from envkit.errors import IntegrityError, UnknownEnvironmentError
from envkit.layout.generation import is_moved, read_manifest, resolve
from envkit.layout.usage import Share, shares
from envkit.layout.validations import last_pass, latest_validation, read_validation
from envkit.layout.volume import Volume, environments
from envkit.models.results import EnvironmentInfo, VolumeListing


def list_environments(volume: Volume, *, fingerprint: str | None = None) -> VolumeListing:
    """List the environments of a volume, by name, including damaged ones.

    A validation on hosts with this fingerprint is preferred to later ones on others.
    """
    named = list(environments(volume))
    each, together = shares([prefix for _, prefix in named])
    found = [_info(volume, name, prefix, fingerprint, share) for (name, prefix), share in zip(named, each, strict=True)]
    if any(info.problem for info in found):
        now = dict(environments(volume))
        if any(info.problem and str(now.get(info.name)) != info.prefix for info in found):
            # `remove` takes the link away first, then the generation; others put another generation there.
            return list_environments(volume, fingerprint=fingerprint)
    return VolumeListing(str(volume.root), tuple(found), size_bytes=together)


def show_environment(volume: Volume, name: str, *, fingerprint: str | None = None) -> EnvironmentInfo:
    """Return one environment."""
    prefix = resolve(volume, name)
    if prefix.parent != volume.generations:
        raise UnknownEnvironmentError(
            f"{name} is no environment of {volume.root}", hint="show takes a name; envkit validate takes any prefix."
        )
    others = [path for _, path in environments(volume) if path != prefix]
    each, _ = shares([prefix, *others])
    return _info(volume, prefix.name.rsplit("-", 1)[0] if "/" in name else name, prefix, fingerprint, each[0])


def _info(volume: Volume, name: str, prefix: Path, fingerprint: str | None, share: Share) -> EnvironmentInfo:
    manifest, problem = None, None
    try:
        manifest = read_manifest(prefix)
        if manifest is None:
            problem = "its generation is unfinished" if prefix.is_dir() else "its generation is gone"
        elif is_moved(manifest, prefix):
            problem = f"it was made at {manifest.prefix}: envkit doctor --fix links it anew"
    except IntegrityError as error:
        problem = error.message
    validated = read_validation(volume, prefix.name, fingerprint) if fingerprint else None
    return EnvironmentInfo(
        name=name,
        path=str(volume.root / name),
        prefix=str(prefix),
        manifest=manifest,
        size_bytes=share.total_bytes,
        adds_bytes=share.own_bytes,
        validated=validated or latest_validation(volume, prefix.name),
        here=validated is not None,
        passed=last_pass(volume, prefix.name),
        problem=problem,
    )

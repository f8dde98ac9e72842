"""history, diff, rollback: what was, what differs, and back to it."""

from __future__ import annotations

from pathlib import Path

from envkit.errors import IntegrityError, UnknownEnvironmentError
from envkit.layout import lease
from envkit.layout.generation import active, publish, read_manifest, refuse_moved, resolve
from envkit.layout.health import installed_packages
from envkit.layout.lease import NAME_WAIT_S
from envkit.layout.lineage import directories_of, generation_of, generations_of, previous
from envkit.layout.validations import latest_validation, read_validation
from envkit.layout.volume import Volume, check_name
from envkit.models.changes import Difference, GenerationInfo, History, PackageState, SwitchResult, difference
from envkit.models.manifest import Manifest
from envkit.models.progress import Reporter

__all__ = ["diff", "history", "rollback"]

# How long `clean` may be at a generation that it takes away.
_TAKEN_WAIT_S = 60.0


def history(volume: Volume, name: str) -> History:
    """The generations of an environment that are on the volume, oldest first, and what each changed.

    Raises:
        UnknownEnvironmentError: There is no environment of that name.
    """
    current = resolve(volume, check_name(name)).name
    known = generations_of(volume, name)
    by_name = {manifest.generation: manifest for manifest in known}
    infos = []
    for manifest in known:
        parent = by_name.get(manifest.parent or "")
        validation = latest_validation(volume, manifest.generation)
        infos.append(
            GenerationInfo(
                number=manifest.number,
                generation=manifest.generation,
                prefix=manifest.prefix,
                created=manifest.created,
                verb=manifest.verb,
                parent=parent.number if parent else None,
                active=manifest.generation == current,
                specs=manifest.request.specs,
                packages=len(manifest.packages),
                difference=_between(parent, manifest, name) if parent else None,
                validated=validation.verdict if validation else None,
            )
        )
    return History(name, str(volume.root), tuple(infos))


def diff(volume: Volume | None, before: str, after: str | None = None) -> Difference:
    """What differs between two environments, generations (``NAME@N``) or prefixes of any origin.

    Args:
        volume: Where names are looked up.
        before: The first one.
        after: The second one; when None, `before` is compared with the generation before it.

    Raises:
        UnknownEnvironmentError: One of them is not there, or there is nothing before it.
    """
    if after is None:
        second = generation_of(volume, before)
        manifest = read_manifest(second)
        known = generations_of(volume, before.partition("@")[0]) if volume is not None and "/" not in before else []
        first = next((m for m in known if manifest is not None and m.generation == manifest.parent), None)
        if manifest is None or first is None:
            raise UnknownEnvironmentError(
                f"there is no generation before {before}", hint="Name two to compare: envkit diff A B."
            )
        return _between(first, manifest, before.partition("@")[0])
    one, two = generation_of(volume, before), generation_of(volume, after)
    return difference(_states(one), _states(two), names=(before, after))


def rollback(
    volume: Volume, name: str, number: int | None = None, *, fingerprint: str | None = None, reporter: Reporter
) -> SwitchResult:
    """Point the environment's link at an earlier generation, or at a later one again. Only the link changes.

    Args:
        volume: Where.
        name: The environment.
        number: Of the generation; the one before the active one when None.
        fingerprint: Of this host, to tell whether the generation was validated on its kind.
        reporter: Hears that another process holds the environment.

    Raises:
        UnknownEnvironmentError: There is no such generation.
        IntegrityError: The generation is not whole.
        VolumeError: It was made where the volume is not any more, or this user may not write there.
    """
    with lease.hold(volume, f"{check_name(name)}.name", reporter=reporter, wait_s=NAME_WAIT_S):
        current = resolve(volume, name)
        here = read_manifest(current)
        wanted = _wanted(volume, name, number)
        prefix = directories_of(volume, name).get(wanted.generation)
        if prefix is None:
            raise UnknownEnvironmentError(
                f"{name} has lost its generation {wanted.number}", hint=f"See `envkit history {name}`."
            )
        # Shared with the jobs that run in it: `clean` takes a generation alone, and not between this look and the link.
        with lease.hold(volume, prefix.name, reporter=reporter, wait_s=_TAKEN_WAIT_S, shared=True):
            if read_manifest(prefix) is None or not (prefix / "conda-meta").is_dir():
                raise IntegrityError(
                    f"{prefix.name} is not whole: it has no conda-meta", hint=f"See `envkit doctor {prefix}`."
                )
            refuse_moved(wanted, prefix)
            if prefix != current:
                publish(volume, name, prefix)
    return SwitchResult(
        environment=name,
        path=str(volume.root / name),
        prefix=str(prefix),
        number=wanted.number,
        before=here.number if here else None,
        difference=_between(here, wanted, name) if here else None,
        validated=bool(fingerprint and read_validation(volume, wanted.generation, fingerprint)),
    )


def _wanted(volume: Volume, name: str, number: int | None) -> Manifest:
    if number is not None:
        manifest = read_manifest(generation_of(volume, f"{name}@{number}"))
    else:
        manifest = previous(volume, name)
    if manifest is None:
        generation = active(volume, name)
        raise UnknownEnvironmentError(
            f"there is nothing to go back to: {generation.name if generation else name} is the only one before",
            hint=f"See `envkit history {name}`.",
        )
    return manifest


def _between(before: Manifest, after: Manifest, name: str) -> Difference:
    return difference(
        [PackageState(p.name, p.version, p.build, p.size) for p in before.packages],
        [PackageState(p.name, p.version, p.build, p.size) for p in after.packages],
        names=(f"{name}@{before.number}", f"{name}@{after.number}"),
    )


def _states(prefix: Path) -> list[PackageState]:
    packages, _ = installed_packages(prefix)
    if not packages and not (prefix / "conda-meta").is_dir():
        raise UnknownEnvironmentError(
            f"{prefix} is no conda environment: it has no conda-meta", hint="diff compares conda environments."
        )
    return [PackageState(p.name, p.version, p.build, p.archive_bytes) for p in packages]

"""history, diff, rollback: the generations of an environment, compared and gone back to."""

from __future__ import annotations

from pathlib import Path

from envkit.api.session import Session
from envkit.errors import UnknownEnvironmentError
from envkit.host.wire import host_to_json
from envkit.layout.damage import distributions
from envkit.layout.generation import active, known_profiles, read_manifest, resolve
from envkit.layout.lineage import directories_of, generation_of, generations_of, previous
from envkit.layout.records import installed_packages
from envkit.layout.validations import latest_validation, read_validation
from envkit.layout.volume import Volume, check_name
from envkit.models.changes import Difference, GenerationInfo, History, SwitchResult, difference
from envkit.models.manifest import Manifest
from envkit.models.package_state import PackageState, states_of
from envkit.profiles import choose_profile, facts_of
from envkit.wire.results import members


def history(volume: Volume, name: str) -> History:
    """List the generations of an environment that are on the volume, oldest first, with what each changed."""
    current = resolve(volume, check_name(name)).name
    known = generations_of(volume, name)
    by_name = {manifest.generation: manifest for manifest in known}
    infos = []
    for manifest in known:
        parent = by_name.get(manifest.parent or "")
        validation = latest_validation(volume, manifest.generation)
        infos.append(
            GenerationInfo(
                **members(manifest, "number", "generation", "prefix", "created", "verb"),
                parent=parent.number if parent else None,
                active=manifest.generation == current,
                specs=manifest.request.specs,
                packages=len(states_of(manifest)),
                difference=_between(parent, manifest, name) if parent else None,
                validated=validation.verdict if validation else None,
                profiles=tuple(p.name for p in known_profiles(volume.generations / manifest.generation)),
            )
        )
    return History(name, str(volume.root), tuple(infos))


def diff(volume: Volume | None, before: str, after: str | None = None) -> Difference:
    """Compare two environments, generations (``NAME@N``) or prefixes of any origin.

    Without `after`, compare `before` with the generation before it. Without a volume, there are only prefixes.
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


def rollback(session: Session, name: str, number: int | None = None) -> SwitchResult:
    """Point the environment's link at an earlier generation, or at a later one again. Only the link changes.

    Without a number, go back to the one before the active one.
    """
    from envkit.api.change import changing

    with changing(session, name, there=True) as change:
        volume = change.volume
        here = read_manifest(resolve(volume, name))
        wanted = _wanted(volume, name, number)
        prefix = directories_of(volume, name).get(wanted.generation)
        if prefix is None:
            raise UnknownEnvironmentError(
                f"{name} has lost its generation {wanted.number}", hint=f"See `envkit history {name}`."
            )
        change.publish(prefix)
    return SwitchResult(
        environment=name,
        path=str(volume.root / name),
        prefix=str(prefix),
        number=wanted.number,
        before=here.number if here else None,
        difference=_between(here, wanted, name) if here else None,
        validated=read_validation(volume, _here(session, prefix), session.host.fingerprint) is not None,
    )


def _here(session: Session, prefix: Path) -> str:
    """Return the generation that this machine gets of one that a link names."""
    chosen = choose_profile(known_profiles(prefix), facts_of(host_to_json(session.host)))
    return chosen.generation if chosen is not None else prefix.name


def _wanted(volume: Volume, name: str, number: int | None) -> Manifest:
    manifest = previous(volume, name) if number is None else read_manifest(generation_of(volume, f"{name}@{number}"))
    if manifest is None:
        generation = active(volume, name)
        raise UnknownEnvironmentError(
            f"there is nothing to go back to: {generation.name if generation else name} is the only one before",
            hint=f"See `envkit history {name}`.",
        )
    return manifest


def _between(before: Manifest, after: Manifest, name: str) -> Difference:
    return difference(
        states_of(before),
        states_of(after),
        names=(f"{name}@{before.number}", f"{name}@{after.number}"),
    )


def _states(prefix: Path) -> list[PackageState]:
    packages, _ = installed_packages(prefix)
    if not packages and not (prefix / "conda-meta").is_dir():
        raise UnknownEnvironmentError(
            f"{prefix} is no conda environment: it has no conda-meta", hint="diff compares conda environments."
        )
    added = [PackageState(d.name, d.version, "pip") for d in distributions(prefix, packages, full=False)]
    return [PackageState(p.name, p.version, p.build, p.archive_bytes) for p in packages] + added

"""list, show: the environments of a volume."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from envkit.errors import IntegrityError, TamperedError, UnknownEnvironmentError
from envkit.layout.disk import Share, shares
from envkit.layout.inventory import Inventory, shared_sizes
from envkit.layout.outcomes import outcomes_of
from envkit.layout.profiles import read_profiles
from envkit.layout.volume import Volume, environments
from envkit.layout.weighing import inventories_of
from envkit.models.listing import EnvironmentInfo, ProfileState, VolumeListing
from envkit.models.outcome import Outcome
from envkit.values import replace

if TYPE_CHECKING:  # `list` needs no manifest where there is an inventory
    from envkit.models.manifest import Manifest
    from envkit.profiles import Facts, Profile


Here: TypeAlias = "Callable[[], Facts]"
"""Returns what a rule of profiles looks at of this machine."""


def list_environments(
    volume: Volume, *, fingerprint: str | None = None, exact: bool = False, here: Here | None = None
) -> VolumeListing:
    """List the environments of a volume, by name, including damaged ones.

    Args:
        volume: The volume.
        fingerprint: A validation on hosts with this fingerprint is preferred to later ones on others.
        exact: Measure every file, instead of taking the sizes that were recorded when a generation was made.
        here: Asked for environments with profiles.
    """
    rules = {name: _rule(prefix) for name, prefix in environments(volume)}
    links = list(environments(volume))
    named = [
        (name, volume.generations / generation)
        for name, prefix in links
        for generation in dict.fromkeys([prefix.name, *(profile.generation for profile in rules.get(name, ()))])
    ]
    prefixes = [prefix for _, prefix in named]
    known = inventories_of(volume, prefixes)
    sizes, together = shares(prefixes) if exact else shared_sizes(known)
    outcomes = outcomes_of(volume, [prefix.name for prefix in prefixes])
    found = []
    for (name, prefix), inventory, share in zip(named, known, sizes, strict=True):
        info = _info(volume, name, inventory, share, outcomes[prefix.name], fingerprint)
        found.append(_checked(info, prefix, inventory))
    if any(info.problem for info in found):
        now = dict(environments(volume))
        if any(info.problem and now.get(info.name) != dict(links)[info.name] for info in found):
            # `remove` takes the link away first, then the generation; others put another generation there.
            return list_environments(volume, fingerprint=fingerprint, exact=exact, here=here)
    by_prefix = {info.prefix: info for info in found}
    listed = [_with_profiles(by_prefix[str(prefix)], rules.get(name, ()), by_prefix, here) for name, prefix in links]
    return VolumeListing(str(volume.root), tuple(listed), size_bytes=together)


def _rule(prefix: Path) -> tuple[Profile, ...]:
    """Return the profiles of a generation; none where `doctor` has something to say of them."""
    try:
        return read_profiles(str(prefix))
    except TamperedError:
        return ()


def _with_profiles(
    main: EnvironmentInfo, rule: Sequence[Profile], by_prefix: Mapping[str, EnvironmentInfo], here: Here | None
) -> EnvironmentInfo:
    """Return the link's generation with the profiles beside it."""
    if not rule:
        return main
    from envkit.profiles import choose_profile

    chosen = choose_profile(tuple(rule), here()) if here is not None else None
    place = os.path.dirname(main.prefix)  # noqa: PTH120 - a text
    states = []
    for profile in rule:
        info = by_prefix[os.path.join(place, profile.generation)]  # noqa: PTH118 - a text
        states.append(ProfileState(profile, info, is_main=info is main, here=profile is chosen))
    name = next((state.rule.name for state in states if state.is_main), None)
    return replace(main, profile=name, profiles=tuple(states))


def show_environment(
    volume: Volume,
    name: str,
    *,
    fingerprint: str | None = None,
    exact: bool = False,
    here: Here | None = None,
    profile: str | None = None,
) -> EnvironmentInfo:
    """Return one environment, with its manifest; see `list_environments`.

    With `profile`, that one of its profiles.
    """
    from envkit.layout.generation import resolve

    main = resolve(volume, name)
    rule = read_profiles(str(main))
    prefix = _named(main, name, profile)
    if prefix.parent != volume.generations:
        raise UnknownEnvironmentError(
            f"{name} is no environment of {volume.root}", hint="show takes a name; envkit validate takes any prefix."
        )
    beside = [volume.generations / one.generation for one in rule if one.generation != prefix.name]
    others = [path for _, path in environments(volume) if path != prefix and path not in beside]
    every = [prefix, *beside, *others]
    known = inventories_of(volume, every)
    sizes, _ = shares(every) if exact else shared_sizes(known)
    own = every[: 1 + len(beside)]
    outcomes = outcomes_of(volume, [path.name for path in own])
    called = prefix.name.rsplit("-", 1)[0] if "/" in name else name
    infos = {
        str(path): _info(volume, called, known[n], sizes[n], outcomes[path.name], fingerprint)
        for n, path in enumerate(own)
    }
    shown = infos[str(prefix)]
    if rule:
        states = _with_profiles(infos[str(main)], rule, infos, here)
        shown = replace(shown, profile=profile or states.profile, profiles=states.profiles)
    return _examined(shown, prefix)


def _named(main: Path, name: str, profile: str | None) -> Path:
    if profile is None:
        return main
    from envkit.api.profile_here import named_profile

    return named_profile(main, name, profile) or main


def _info(
    volume: Volume,
    name: str,
    inventory: Inventory,
    share: Share,
    outcomes: Sequence[Outcome],
    fingerprint: str | None,
) -> EnvironmentInfo:
    here = next((outcome for outcome in outcomes if fingerprint and outcome.fingerprint == fingerprint), None)
    passed = [outcome for outcome in outcomes if outcome.last_pass]
    return EnvironmentInfo(
        name=name,
        path=str(volume.root / name),
        prefix=str(volume.generations / inventory.generation),
        size_bytes=share.total_bytes,
        adds_bytes=share.own_bytes,
        packages=inventory.packages,
        created=inventory.created or None,
        validated=here or next(iter(outcomes), None),
        here=here is not None,
        passed=max(passed, key=lambda outcome: outcome.last_pass or "", default=None),
    )


def _checked(info: EnvironmentInfo, prefix: Path, inventory: Inventory) -> EnvironmentInfo:
    """Add what is wrong with an environment, if its inventory leaves any doubt."""
    sound = inventory.manifest_bytes is not None and inventory.prefix == str(prefix)
    return info if sound else _examined(info, prefix)


def _examined(info: EnvironmentInfo, prefix: Path) -> EnvironmentInfo:
    """Add the manifest of an environment, or what is wrong with it."""
    from envkit.layout.generation import is_moved, read_manifest
    from envkit.models.package_state import states_of

    manifest: Manifest | None = None
    problem = None
    try:
        manifest = read_manifest(prefix)
        if manifest is None:
            problem = "its generation is unfinished" if prefix.is_dir() else "its generation is gone"
        elif is_moved(manifest, prefix):
            problem = f"it was made at {manifest.prefix}: envkit doctor --fix links it anew"
    except IntegrityError as error:
        problem = error.message
    return replace(
        info,
        manifest=manifest,
        problem=problem,
        packages=len(states_of(manifest)) if manifest else 0,
        created=manifest.created if manifest else None,
    )

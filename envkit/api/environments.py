"""list, show: the environments of a volume."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from envkit.errors import IntegrityError, UnknownEnvironmentError
from envkit.layout.disk import Share, shares
from envkit.layout.inventory import Inventory, shared_sizes
from envkit.layout.outcomes import outcomes_of
from envkit.layout.volume import Volume, environments
from envkit.layout.weighing import inventories_of
from envkit.models.outcome import Outcome
from envkit.models.results import EnvironmentInfo, VolumeListing
from envkit.values import replace

if TYPE_CHECKING:  # `list` needs no manifest where there is an inventory
    from envkit.models.manifest import Manifest


def list_environments(volume: Volume, *, fingerprint: str | None = None, exact: bool = False) -> VolumeListing:
    """List the environments of a volume, by name, including damaged ones.

    Args:
        volume: The volume.
        fingerprint: A validation on hosts with this fingerprint is preferred to later ones on others.
        exact: Measure every file, instead of taking the sizes that were recorded when a generation was made.
    """
    named = list(environments(volume))
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
        if any(info.problem and str(now.get(info.name)) != info.prefix for info in found):
            # `remove` takes the link away first, then the generation; others put another generation there.
            return list_environments(volume, fingerprint=fingerprint, exact=exact)
    return VolumeListing(str(volume.root), tuple(found), size_bytes=together)


def show_environment(
    volume: Volume, name: str, *, fingerprint: str | None = None, exact: bool = False
) -> EnvironmentInfo:
    """Return one environment, with its manifest; see `list_environments`."""
    from envkit.layout.generation import resolve

    prefix = resolve(volume, name)
    if prefix.parent != volume.generations:
        raise UnknownEnvironmentError(
            f"{name} is no environment of {volume.root}", hint="show takes a name; envkit validate takes any prefix."
        )
    others = [path for _, path in environments(volume) if path != prefix]
    known = inventories_of(volume, [prefix, *others])
    sizes, _ = shares([prefix, *others]) if exact else shared_sizes(known)
    outcomes = outcomes_of(volume, [prefix.name])[prefix.name]
    called = prefix.name.rsplit("-", 1)[0] if "/" in name else name
    return _examined(_info(volume, called, known[0], sizes[0], outcomes, fingerprint), prefix)


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
    from envkit.models.changes import states_of

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

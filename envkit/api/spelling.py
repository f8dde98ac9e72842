"""The package that a name was probably meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from contextlib import suppress

from envkit.api.session import Session
from envkit.engines.base import ChannelAccess
from envkit.errors import EnvkitError
from envkit.frameworks.table import ROWS


def nearest_name(session: Session, name: str, *, platforms: Sequence[str], access: ChannelAccess) -> str | None:
    """Return what a name that no channel has was probably meant to be; None where nothing is near."""
    with suppress(EnvkitError):
        return similar(name, session.index.names(platforms=platforms, access=access))
    return None


def respelt(
    session: Session, names: Sequence[str], *, platforms: Sequence[str], access: ChannelAccess
) -> dict[str, str]:
    """Return those of `names` that no channel has, each with the name that is near it."""
    with suppress(EnvkitError):
        known = session.index.names(platforms=platforms, access=access)
        near = {name: similar(name, known) for name in names if name and name not in known}
        return {name: meant for name, meant in near.items() if meant is not None}
    return {}


def similar(name: str, known: Collection[str]) -> str | None:
    """Return the name of `known` that is meant by `name`: a module's package, else the most similar; None without."""
    for row in ROWS.values():
        if name in {row.module, row.key} and row.compiled in known:
            return row.compiled
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    return near[0] if near else _framework_of(name)


def _framework_of(name: str) -> str | None:
    """Return the package of a framework that is meant, though no channel that was asked has it."""
    for row in ROWS.values():
        if name == row.module and name != row.key:
            return row.key
    near = difflib.get_close_matches(name, [row.key for row in ROWS.values()], n=1, cutoff=0.75)
    return near[0] if near and near[0] != name else None

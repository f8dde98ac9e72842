"""Specs that name their channel (``channel::package``): which channel that is, and what else is read for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from envkit.api.indexes import channel_access
from envkit.api.session import Session
from envkit.models.channel import Channel
from envkit.models.host import Target
from envkit.models.request import Request
from envkit.models.spec import with_channel
from envkit.settings import Settings, resolve_channels
from envkit.values import replace


def has_in(session: Session, target: Target, index_dir: Path) -> Callable[[Channel, str], bool]:
    """Return a function that asks whether a channel has something that matches a spec."""

    def has(channel: Channel, spec: str) -> bool:
        access = channel_access((channel,), session.policy, index_dir)
        return bool(session.engine.query(spec, platforms=[target.subdir, "noarch"], access=access).matching)

    return has


def resolve_specs(
    request: Request, settings: Settings, has: Callable[[Channel, str], bool]
) -> tuple[Request, tuple[Channel, ...]]:
    """Return the request with URLs in place of the channels that its specs name, and these channels.

    A name means what it means elsewhere: ``channel_alias``, ``custom_channels`` and mirrors hold, and of a name for
    several channels (``defaults``) the first that `has` the spec is taken.

    Raises:
        SettingsError: A spec names no channel, or one that the configuration forbids.
    """
    specs: list[str] = []
    found: dict[str, Channel] = {}
    for text, spec in request.pairs:
        if spec.channel is None:
            specs.append(text)
            continue
        members = resolve_channels([spec.channel], settings)
        bare = with_channel(text, None)
        chosen = members[0]
        if len(members) > 1:
            chosen = next((member for member in members if has(member, bare)), chosen)
        specs.append(with_channel(text, chosen.url))
        found.update((member.url, member) for member in members)
    return (replace(request, specs=tuple(specs)) if found else request), tuple(found.values())

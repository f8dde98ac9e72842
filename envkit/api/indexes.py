"""The cache of channel indexes of a command: which one, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

from envkit.api.session import Session, user_index_dir
from envkit.engines.base import ChannelAccess
from envkit.index.cached import CachedIndex
from envkit.models.channel import Channel
from envkit.models.codes.advice import INDEX_UNKEPT
from envkit.models.fact import Advice
from envkit.models.network import NetworkPolicy
from envkit.words.say import say


def channel_access(channels: tuple[Channel, ...], policy: NetworkPolicy, index_dir: Path) -> ChannelAccess:
    """Return how an engine reaches these channels; make the cache of indexes.

    The first command on a volume reads the indexes before there is a volume, into the user's own cache. Offline, that
    one is taken where it has what the volume's lacks.
    """
    if policy.offline and not _has(index_dir, channels) and _has(user_index_dir(), channels):
        index_dir = user_index_dir()
    index_dir.mkdir(parents=True, exist_ok=True)
    return ChannelAccess(channels=channels, policy=policy, index_dir=index_dir)


def _has(index_dir: Path, channels: tuple[Channel, ...]) -> bool:
    """Return whether a cache has all these channels, as far as that can be told."""
    indexes = [CachedIndex.of(channel.url, "noarch", index_dir) for channel in channels]
    return all(index is None or index.is_local or index.is_here() for index in indexes)


def tell_trouble(session: Session, access: ChannelAccess) -> None:
    """Tell the user, once, that something which was read of indexes could not be kept."""
    error = session.engine.trouble()
    if error is not None:
        why = error.strerror or type(error).__name__
        session.reporter.note(say(Advice(INDEX_UNKEPT, folder=str(access.index_dir), why=why)))

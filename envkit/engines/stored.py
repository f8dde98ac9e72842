"""The index store beside an engine: which servers it may ask itself, and which specs it can match."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from envkit.engines.base import ChannelAccess
from envkit.index.cached import CachedIndex, Notes
from envkit.patterns import regex

_NUMBER = r"\d+(?:\.\d+)*"
_PLAIN = regex(
    rf"[a-z0-9_][a-z0-9_.-]*(?:\s*(?:[<>]=?|==|!=){_NUMBER}(?:,(?:[<>]=?|==|!=){_NUMBER})*|={_NUMBER}(?:\.\*)?)?",
    re.ASCII,
)


def is_simple_spec(spec: str) -> bool:
    """Return whether a MatchSpec is one that `envkit.builds.dependency.spec_matches` matches as solvers do."""
    return _PLAIN.fullmatch(spec) is not None


def ask_servers(asked: Sequence[tuple[CachedIndex, Notes]], *, access: ChannelAccess) -> bool:
    """Return whether servers say of all these indexes that they did not change.

    Servers that want a login, or are reached over proxies, mirrors or other certificates, are left to the engine.
    """
    from envkit.engines.network import proxy_for
    from envkit.index.ask import are_unchanged

    policy = access.policy
    if not policy.verify or policy.ca is not None:
        return False
    guarded = any(channel.secrets or channel.mirrors for channel in access.channels)
    if guarded or any(proxy_for(policy, notes.url, os.environ) for _, notes in asked):
        return False
    if any(urlsplit(notes.url).scheme not in {"http", "https"} or not notes.conditions for _, notes in asked):
        return False
    return are_unchanged(asked, min(policy.connect_s, policy.stall_s))

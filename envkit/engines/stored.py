"""The index store beside an engine: which servers it may ask itself, and which specs it can match."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from envkit.builds.dependency import spec_matches
from envkit.engines.base import ChannelAccess
from envkit.index.cached import Notes
from envkit.models.build import Record
from envkit.models.spec import MatchSpec
from envkit.patterns import regex

_NUMBER = r"\d+(?:\.\d+)*"
_NAME = r"[a-z0-9_][a-z0-9_.-]*"
_RANGE = rf"(?:[<>]=?|==|!=){_NUMBER}(?:,(?:[<>]=?|==|!=){_NUMBER})*"
_PREFIX = rf"(?:{_NUMBER}(?:\.\*)?|\*)"
_BUILD = r"[A-Za-z0-9_.*+]+"
_PLAIN = regex(
    rf"{_NAME}(?:\s*{_RANGE}|={_NUMBER}(?:\.\*)?|==?{_PREFIX}={_BUILD}|\s+(?:{_RANGE}|{_PREFIX})\s+{_BUILD})?",
    re.ASCII,
)


def is_simple_spec(spec: str) -> bool:
    """Return whether a MatchSpec is one that `simple_matches` matches as the native engine does."""
    return _PLAIN.fullmatch(spec) is not None


def simple_matches(spec: MatchSpec, record: Record) -> bool:
    """Return whether a record satisfies a simple spec: py-rattler takes no notice of capitals in a build."""
    if spec.build is not None:
        spec = spec._replace(build=spec.build.lower())
    return spec_matches(spec, record.name, record.version, record.build.lower())


def ask_servers(asked: Sequence[Notes], *, access: ChannelAccess) -> bool:
    """Return whether servers say of all these indexes that they did not change.

    Servers that want a login, or are reached over proxies, mirrors or other certificates, are left to the engine.
    """
    from envkit.engines.network import proxy_for
    from envkit.index.ask import are_unchanged

    policy = access.policy
    if not policy.verify or policy.ca is not None:
        return False
    guarded = any(channel.secrets or channel.mirrors for channel in access.channels)
    if guarded or any(proxy_for(policy, notes.url, os.environ) for notes in asked):
        return False
    for notes in asked:
        if urlsplit(notes.url).scheme not in {"http", "https"} or (notes.status == 304 and not notes.conditions):
            return False
    return are_unchanged(asked, min(policy.connect_s, policy.stall_s))

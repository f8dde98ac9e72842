"""facts: what is known of the GPU code of builds, and what the channels hold beyond that."""

from __future__ import annotations

from collections.abc import Sequence

from envkit.api.choose import channels_for
from envkit.api.indexes import channel_access
from envkit.api.session import Session, user_index_dir
from envkit.api.spelling import similar
from envkit.builds.classify import classify_all
from envkit.builds.facts import code_facts, code_gaps, framework_called, wants
from envkit.errors import ChannelError, UsageError
from envkit.frameworks.table import ROWS
from envkit.layout.measured import measured_store
from envkit.models.build import Record
from envkit.models.channel import Channel
from envkit.models.facts import CodeKnowledge


def list_facts(session: Session, name: str | None, *, channels: Sequence[Channel], subdir: str) -> CodeKnowledge:
    """List what is known of a framework's GPU code, or of a part of CUDA, or of all.

    The channels' indexes tell what is only inferred; where they cannot be read, the answer says so.

    Args:
        name: A framework, a package or a wheel; None for all.
        channels: Channels to ask instead of the configured ones.
        subdir: The platform whose index is read.

    Raises:
        UsageError: Nothing is known by that name.
    """
    facts = code_facts(wants(name), measured_store(session.volume).packages())
    row = framework_called(name) if name is not None else None
    if name is not None and row is None and not facts:
        near = similar(name, sorted(ROWS))
        known = f"Known frameworks: {', '.join(ROWS)}."
        raise UsageError(f"nothing is known of {name!r}", hint=f"Did you mean {near}? {known}" if near else known)
    rows = [row] if row is not None else list(ROWS.values()) if name is None else []
    names = sorted({package for each in rows for package in (each.compiled, each.choice(each.compiled))} - {"*"})
    whose = names if row is not None else []  # for all of them, channels that one framework alone needs are left out
    asked, _ = channels_for(whose, explicit=channels, override=bool(channels), settings=session.settings)
    try:
        records = _records(session, names, asked, subdir) if names else []
    except ChannelError as error:
        return CodeKnowledge(name, tuple(facts), problem=error.message)
    gaps = code_gaps(classify_all(records, session.knowledge))
    return CodeKnowledge(name, tuple(facts), tuple(channel.name for channel in asked) if names else (), tuple(gaps))


def _records(session: Session, names: Sequence[str], channels: Sequence[Channel], subdir: str) -> list[Record]:
    access = channel_access(tuple(channels), session.policy, user_index_dir())
    where = ", ".join(channel.name for channel in channels)
    session.reporter.start("index", where)
    records = list(session.index.records(names, platforms=[subdir, "noarch"], access=access))
    session.reporter.finish("index", f"{where}: {len(records)} builds")
    return records

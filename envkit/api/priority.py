"""Solve by the configured priority of channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from envkit.api.session import Session
from envkit.engines.base import ChannelAccess
from envkit.errors import UnsatisfiableError
from envkit.models.build import Record
from envkit.models.fact import Advice
from envkit.models.request import Request
from envkit.models.solve import ChannelPriority, SolveTask
from envkit.plan.opened import explain_opened
from envkit.plan.restrict import forbidden, restrict


def solve_by_priority(
    session: Session, task: SolveTask, access: ChannelAccess
) -> tuple[tuple[Record, ...], tuple[Advice, ...]]:
    """Return the solution, and each package that only flexible priority allows.

    Flexible priority is strict where that has a solution, so that channels mix as little as they can. Where it has
    none, the engine may take what strictness left out, one package at a time.

    Raises:
        UnsatisfiableError: There is no solution.
    """
    settings = session.settings
    priority = settings.priority
    disallowed = Request(settings.disallowed).parsed
    records, opened = _by_priority(session, restrict(task, settings.pinned, disallowed), access, priority)
    found = forbidden(records, disallowed)
    if found:
        raise UnsatisfiableError(
            f"{', '.join(record.fn for record in found)} may not be installed, by disallowed_packages of "
            f"{settings.origins.get('disallowed_packages')}",
            hint="Ask for another version, or whoever wrote that file.",
        )
    return records, opened


def _by_priority(
    session: Session, task: SolveTask, access: ChannelAccess, priority: ChannelPriority
) -> tuple[tuple[Record, ...], tuple[Advice, ...]]:
    if priority != "flexible" or len(access.channels) == 1:
        return session.engine.solve(replace(task, channel_priority=priority), access=access), ()
    try:
        return session.engine.solve(replace(task, channel_priority="strict"), access=access), ()
    except UnsatisfiableError:
        records = session.engine.solve(replace(task, channel_priority="flexible"), access=access)
    return records, tuple(_opened(session, task, access, records))


def _opened(session: Session, task: SolveTask, access: ChannelAccess, records: Sequence[Record]) -> list[Advice]:
    order = access.urls
    names = {record.name for record in records if record.channel.rstrip("/") != order[0]}
    available = {
        name: session.engine.query(name, platforms=task.platforms, access=access).matching for name in sorted(names)
    }
    return explain_opened(records, task, available, order)

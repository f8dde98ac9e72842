"""Solve by the configured priority of channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from envkit.api.session import Session
from envkit.engines.base import ChannelAccess
from envkit.errors import UnsatisfiableError
from envkit.models.build import Record
from envkit.models.fact import Advice
from envkit.models.solve import SolveTask
from envkit.plan.opened import explain_opened


def solve_by_priority(
    session: Session, task: SolveTask, access: ChannelAccess
) -> tuple[tuple[Record, ...], tuple[Advice, ...]]:
    """Return the solution, and each package that only flexible priority allows.

    Flexible priority is strict where that has a solution, so that channels mix as little as they can. Where it has
    none, the engine may take what strictness left out, one package at a time.

    Raises:
        UnsatisfiableError: There is no solution.
    """
    priority = session.settings.priority
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

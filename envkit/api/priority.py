"""Solve by the configured priority of channels."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from envkit.api.indexes import tell_trouble
from envkit.api.session import Session
from envkit.builds.dependency import dependency_names, dependency_pairs
from envkit.engines.base import ChannelAccess
from envkit.errors import UnsatisfiableError
from envkit.models.build import Record
from envkit.models.fact import Advice
from envkit.models.request import Request
from envkit.models.solve import ChannelPriority, SolveTask
from envkit.plan.opened import explain_opened
from envkit.plan.restrict import forbidden, restrict
from envkit.settings import Settings
from envkit.values import replace


def solve_by_priority(
    session: Session, task: SolveTask, access: ChannelAccess, *, pinned: Sequence[str] = ()
) -> tuple[tuple[Record, ...], tuple[Advice, ...]]:
    """Return the solution, and each package that only flexible priority allows.

    It keeps to `pinned`, the environment's own pins, and to those of the configuration.

    Flexible priority is strict where that has a solution, so that channels mix as little as they can. Where it has
    none, the engine may take what strictness left out, one package at a time.

    Raises:
        UnsatisfiableError: There is no solution.
    """
    settings = session.settings
    priority = settings.priority
    disallowed = Request(settings.disallowed).parsed
    pins = pins_of(settings, pinned)
    try:
        records, opened = _by_priority(session, restrict(task, pins, disallowed), access, priority)
    except UnsatisfiableError as error:
        _add_pins(error, task, pins)
        raise
    tell_trouble(session, access)
    found = forbidden(records, disallowed)
    if found:
        raise UnsatisfiableError(
            f"{', '.join(record.fn for record in found)} may not be installed, by disallowed_packages of "
            f"{settings.origins.get('disallowed_packages')}",
            hint="Ask for another version, or whoever wrote that file.",
        )
    return records, opened


def _add_pins(error: UnsatisfiableError, task: SolveTask, pins: Mapping[str, str]) -> None:
    """Add to a failure which pins hold packages that it is about."""
    words = {*dependency_names(task.specs), *re.split(r"[^\w.-]+", error.message)}
    held = [f"`{text}` of {pins[text]}" for text, spec in dependency_pairs(pins) if spec.name in words]
    if held:
        error.hint = f"Held by {', '.join(held)}: --no-pin leaves that out. {error.hint or ''}".strip()


def pins_of(settings: Settings, pinned: Sequence[str]) -> dict[str, str]:
    """Return the pins of the configuration and those of an environment, each with where it is written."""
    return {**dict.fromkeys(settings.pinned, "pinned_packages"), **dict.fromkeys(pinned, "conda-meta/pinned")}


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

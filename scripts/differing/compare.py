"""What each engine made of a request, how the answers differ in kind, and the smallest request that still shows it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from envkit.checks.validity import Violation, check_validity
from envkit.engines.base import ChannelAccess, Engine
from envkit.errors import EnvkitError, SettingsError, UnsatisfiableError
from envkit.models.build import Record
from envkit.models.solve import SolveTask
from envkit.models.spec import parse_match_spec

__all__ = ["SERIOUS", "Answer", "compare", "minimise", "solve"]

SERIOUS = frozenset({"invalid", "verdict", "error"})
"""Kinds in which an engine is wrong, or two contradict each other; the others are matters of taste."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one engine made of one request.

    Attributes:
        state: ``solved``, ``unsatisfiable``, ``refused`` (the engine says that it cannot), ``late`` or ``error``.
        records: The solution.
        violations: The rules that it breaks.
        text: The engine's message.
        seconds: How long it took.
    """

    state: str
    records: tuple[Record, ...] = ()
    violations: tuple[Violation, ...] = ()
    text: str = ""
    seconds: float = 0.0


def solve(engine: Engine, task: SolveTask, access: ChannelAccess, index: Sequence[Record]) -> Answer:
    """Solve, and check the solution."""
    started = time.monotonic()
    try:
        records = engine.solve(task, access=access)
    except UnsatisfiableError as error:
        state = "refused" if "chose packages that" in error.message else "unsatisfiable"
        if "no answer in time" in error.message:
            state = "late"
        return Answer(state, text=error.message, seconds=time.monotonic() - started)
    except SettingsError as error:
        return Answer("refused", text=error.message, seconds=time.monotonic() - started)
    except EnvkitError as error:
        return Answer("error", text=f"{error.code}: {error.message}", seconds=time.monotonic() - started)
    seconds = time.monotonic() - started
    return Answer("solved", records, check_validity(records, task, index=index), seconds=seconds)


def _identities(records: Sequence[Record], fields: tuple[str, ...], names: frozenset[str] | None) -> frozenset[object]:
    return frozenset(
        tuple(getattr(record, field) for field in fields) for record in records if names is None or record.name in names
    )


def compare(task: SolveTask, outcomes: Mapping[str, Answer]) -> dict[str, tuple[str, ...]]:
    """The kinds in which outcomes differ, each with the engines that it is about.

    ``invalid``, ``error``, ``refused`` and ``late`` are about one engine each; ``verdict`` (one solves, the other says
    that there is no solution), ``version`` and ``build`` (of a requested package) and ``dependency`` are about pairs.
    """
    kinds: dict[str, set[str]] = {}
    for name, answer in outcomes.items():
        if answer.violations:
            kinds.setdefault("invalid", set()).add(name)
        if answer.state in {"refused", "late", "error"}:
            kinds.setdefault(answer.state, set()).add(name)
    for (left, mine), (right, theirs) in combinations(sorted(outcomes.items()), 2):
        kind = _pair(task, mine, theirs)
        if kind is not None:
            kinds.setdefault(kind, set()).add(f"{left} / {right}")
    return {kind: tuple(sorted(names)) for kind, names in kinds.items()}


def _pair(task: SolveTask, mine: Answer, theirs: Answer) -> str | None:
    states = {mine.state, theirs.state}
    if states == {"solved", "unsatisfiable"}:
        return "verdict"
    if states != {"solved"}:
        return None
    asked = frozenset(parse_match_spec(spec).name for spec in task.specs)
    for kind, fields, names in (
        ("version", ("name", "version"), asked),
        ("build", ("name", "version", "build", "channel"), asked),
        ("dependency", ("name", "version", "build", "channel"), None),
    ):
        if _identities(mine.records, fields, names) != _identities(theirs.records, fields, names):
            return kind
    return None


def _smaller(task: SolveTask) -> Iterator[SolveTask]:
    """The task with one thing less."""
    if len(task.specs) > 1:
        for spec in task.specs:
            yield dataclasses.replace(task, specs=tuple(s for s in task.specs if s != spec))
    for constraint in task.constraints:
        yield dataclasses.replace(task, constraints=tuple(c for c in task.constraints if c != constraint))
    for package in task.virtual_packages:
        if package.name in {"__cuda", "__cuda_arch"}:
            kept = tuple(p for p in task.virtual_packages if p != package)
            yield dataclasses.replace(task, virtual_packages=kept)
    for position, spec in enumerate(task.specs):
        if " " in spec:
            bare = (*task.specs[:position], spec.split()[0], *task.specs[position + 1 :])
            yield dataclasses.replace(task, specs=bare)


def minimise(task: SolveTask, shows: Callable[[SolveTask], bool], *, attempts: int = 16) -> SolveTask:
    """The smallest task found within some attempts that still shows a difference, taking one thing away at a time."""
    left = attempts
    changed = True
    while changed and left > 0:
        changed = False
        for smaller in _smaller(task):
            if left <= 0:
                break
            left -= 1
            if shows(smaller):
                task, changed = smaller, True
                break
    return task

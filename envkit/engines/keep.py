"""Keep installed packages where possible, for solvers that cannot express it: retry with fewer of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from envkit.builds.dependency import record_matches
from envkit.errors import UnsatisfiableError
from envkit.models.build import Record
from envkit.models.solve import SolveTask
from envkit.models.spec import parse_match_spec
from envkit.values import replace


def solve_keeping(task: SolveTask, solve: Callable[[SolveTask], tuple[Record, ...]]) -> tuple[Record, ...]:
    """Solve keeping all of `SolveTask.installed`, else those that were requested, else none.

    Raises:
        UnsatisfiableError: There is no solution even so.
    """
    *sooner, last = _attempts(task)
    for attempt in sooner:
        try:
            return solve(attempt)
        except UnsatisfiableError:
            continue
    return solve(last)


def _attempts(task: SolveTask) -> Iterator[SolveTask]:
    """Yield the task with fewer and fewer records held by constraints, each different from the one before."""
    said = [parse_match_spec(spec) for spec in (*task.specs, *task.constraints)]
    asked = {parse_match_spec(spec).name for spec in task.specs}
    fitting = [
        record for record in task.installed if all(record_matches(s, record) for s in said if s.name == record.name)
    ]
    before: list[Record] = []
    for kept in (fitting, [record for record in fitting if record.name in asked]):
        if kept and kept != before:
            held = tuple(f"{record.name} =={record.version} {record.build}" for record in kept)
            yield replace(task, constraints=(*task.constraints, *held), installed=())
        before = kept
    yield replace(task, installed=())

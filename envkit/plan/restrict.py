"""Packages that the configuration holds or forbids, as constraints of a solve."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from envkit.builds.dependency import record_matches
from envkit.models.build import Record
from envkit.models.solve import SolveTask
from envkit.models.spec import MatchSpec
from envkit.values import replace

_INVERSE = {">=": "<", "<=": ">", ">": "<=", "<": ">=", "==": "!=", "!=": "=="}


def restrict(task: SolveTask, pinned: Mapping[str, str], disallowed: Iterable[MatchSpec]) -> SolveTask:
    """Return the task with pins, each with who holds it, and ``disallowed_packages`` among its constraints.

    What a constraint cannot say (a build, several versions) is left to `forbidden`.
    """
    found = {spec: f"{who} holds it" for spec, who in pinned.items()}
    for spec in disallowed:
        excluded = _excluding(spec)
        if excluded is not None:
            found[excluded] = "disallowed_packages forbids the others"
    if not found:
        return task
    constraints = dict.fromkeys([*task.constraints, *found])
    return replace(task, constraints=tuple(constraints), reasons=(*task.reasons, *found.items()))


def _excluding(spec: MatchSpec) -> str | None:
    """Return a spec of all that another one does not match; None where there is none."""
    if spec.build is not None or spec.name in {"", "*"}:
        return None
    if spec.version is None or spec.version == "*":
        return f"{spec.name} <0"
    if "," in spec.version or "|" in spec.version:
        return None
    for mark in sorted(_INVERSE, key=len, reverse=True):
        if spec.version.startswith(mark):
            return f"{spec.name} {_INVERSE[mark]}{spec.version[len(mark) :]}"
    return f"{spec.name} !={spec.version.lstrip('=').removesuffix('*').removesuffix('.')}.*"


def forbidden(records: Iterable[Record], disallowed: Sequence[MatchSpec]) -> list[Record]:
    """List the records of a solution that the configuration forbids."""
    return [r for r in records if any(record_matches(spec, r) for spec in disallowed)]

"""The part of a lock file that a machine can use, found before anything is downloaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from envkit.builds.classify import classify
from envkit.checks.solution import check_solution
from envkit.checks.verdict import judge
from envkit.frameworks.table import CUDA_FRAMEWORKS, is_stub
from envkit.models.build import Record, Tier
from envkit.models.codes.reasons import CPU_BUILD
from envkit.models.fact import Reason
from envkit.models.host import Target
from envkit.models.inputs import Locked, LockFile
from envkit.models.request import Request


@dataclass(frozen=True, slots=True)
class Misfit:
    """Why one part of a lock file is of no use to a machine."""

    part: Locked
    foreign: tuple[Record, ...] = ()  # records of another platform
    refusals: tuple[tuple[Record, Reason], ...] = ()  # records that would not run


def misfit_of(part: Locked, target: Target) -> Misfit | None:
    """Return why a part would not run on a machine; None when it would.

    CPU builds are no reason: the file asks for them by name.
    """
    foreign = [record for record in part.records if record.subdir not in {target.subdir, "noarch"}]
    if part.platform not in {None, target.subdir} or foreign:
        return Misfit(part, foreign=tuple(foreign))
    found = [
        (refusal.record, refusal.reason)
        for refusal in check_solution(part.records, target, Request())
        if refusal.reason.code != CPU_BUILD
    ]
    return Misfit(part, refusals=tuple(found)) if found else None


def candidates_of(lock: LockFile, environment: str | None) -> tuple[Locked, ...]:
    """Return the parts to choose from: those of the named environment, else of ``default``.

    Where envkit wrote the file, its environments are the same request for several machines, and all of them are
    candidates. So they are where there is one besides no ``default``. Empty when the choice is the user's.
    """
    if environment is not None:
        return tuple(part for part in lock.parts if part.environment == environment)
    names = dict.fromkeys(part.environment for part in lock.parts)
    if lock.made_for or len(names) == 1:
        return lock.parts
    return tuple(part for part in lock.parts if part.environment == "default")


def best_part(parts: Sequence[Locked], target: Target) -> tuple[Locked | None, list[Misfit]]:
    """Return the part that runs best on a machine, the first of those that are equal, and why others do not run."""
    fitting: list[Locked] = []
    misfits: list[Misfit] = []
    for part in parts:
        misfit = misfit_of(part, target)
        if misfit is None:
            fitting.append(part)
        else:
            misfits.append(misfit)
    return min(fitting, key=lambda part: _rank(part, target), default=None), misfits


def _rank(part: Locked, target: Target) -> int:
    """Return the worst tier among the builds of frameworks."""
    ranks = [
        judge(build, target).tier.rank
        for build in map(classify, part.records)
        if build.framework in CUDA_FRAMEWORKS and build.variant in {"cuda", "cpu"} and not is_stub(build.record.name)
    ]
    return max(ranks, default=Tier.NATIVE.rank)

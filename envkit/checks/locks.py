"""The part of a lock file that a machine can use, found before anything is downloaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from envkit.builds.classify import classify
from envkit.builds.dependency import record_matches
from envkit.builds.version import version_key
from envkit.checks.solution import check_solution
from envkit.checks.verdict import judge
from envkit.frameworks.table import CUDA_FRAMEWORKS, is_stub
from envkit.models.build import Record, Tier
from envkit.models.codes.reasons import CPU_BUILD, MIXED_CUDA
from envkit.models.fact import Reason
from envkit.models.host import Target
from envkit.models.inputs import Locked, LockFile
from envkit.models.request import Request
from envkit.models.version import CudaVersion
from envkit.values import dataclass

_LISTED = {CPU_BUILD, MIXED_CUDA}  # reasons that choose between builds, where a lock leaves no choice


@dataclass(frozen=True, slots=True)
class Misfit:
    """Why one part of a lock file is of no use to a machine."""

    part: Locked
    foreign: tuple[Record, ...] = ()  # records of another platform
    refusals: tuple[tuple[Record, Reason], ...] = ()  # records that would not run


def misfit_of(part: Locked, target: Target) -> Misfit | None:
    """Return why a part would not run on a machine; None when it would.

    CPU builds and libraries of two CUDA majors are no reason: the file asks for them by name.
    """
    foreign = [record for record in part.records if record.subdir not in {target.subdir, "noarch"}]
    if part.platform not in {None, target.subdir} or foreign:
        return Misfit(part, foreign=tuple(foreign))
    # The demands of the file itself are judged like those of a package.
    itself = Record("lock", "0", "0", subdir="noarch", fn="the lock itself", depends=part.needs)
    found = [
        (refusal.record, refusal.reason)
        for refusal in check_solution((*part.records, *((itself,) if part.needs else ())), target, Request())
        if refusal.reason.code not in _LISTED
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
    """Return the part that runs best on a machine, and why others do not run.

    That is the part of the surest tier; of these, the one with the newest framework, for the newest CUDA, the first.
    """
    fitting: list[Locked] = []
    misfits: list[Misfit] = []
    for part in parts:
        misfit = misfit_of(part, target)
        if misfit is None:
            fitting.append(part)
        else:
            misfits.append(misfit)
    return max(fitting, key=lambda part: _merit(part, target), default=None), misfits


@dataclass(frozen=True, slots=True)
class LockDrift:
    """The differences between a lock and the files that it should lock."""

    added: tuple[str, ...] = ()  # entries of the files that the lock was not made from
    removed: tuple[str, ...] = ()  # entries that it was made from, and that the files have no longer
    unmet: tuple[str, ...] = ()  # specs that a part does not hold, each with its platform

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.unmet)


def drift_of(lock: LockFile, content: Mapping[str, Any], requests: Mapping[str, Request]) -> LockDrift:
    """Compare a lock with its files.

    Args:
        lock: The lock. One that envkit wrote notes the content of its files; of others, each spec must be met.
        content: The content of the files, as a lock notes it.
        requests: The request of the files by platform.
    """
    noted = lock.made_for.get("files")
    if isinstance(noted, dict):
        before = {f"{key}: {item}" for key, value in noted.items() for item in _items(value)}
        now = {f"{key}: {item}" for key, value in content.items() for item in _items(value)}
        order = () if noted.get("channels") == content.get("channels") or before != now else ("channels: their order",)
        return LockDrift(tuple(sorted(now - before)) + order, tuple(sorted(before - now)))
    unmet = []
    for part in candidates_of(lock, None) or lock.parts:
        request = requests.get(part.platform or "")
        for text, spec in request.pairs if request is not None else ():
            if not any(record_matches(spec, record) for record in part.records):
                unmet.append(f"{text} ({part.platform})")
    return LockDrift(unmet=tuple(dict.fromkeys(unmet)))


def _items(value: object) -> list[str]:
    if isinstance(value, dict):
        return [f"{key} {item}" for key, item in sorted(value.items())]
    return [str(item) for item in value] if isinstance(value, list) else []


def _merit(part: Locked, target: Target) -> tuple[int, list[Any], list[CudaVersion]]:
    """Return the worst tier among the builds of frameworks, their versions, and their toolkits."""
    builds = [
        build
        for build in map(classify, part.records)
        if build.framework in CUDA_FRAMEWORKS and build.variant in {"cuda", "cpu"} and not is_stub(build.record.name)
    ]
    worst = max((judge(build, target).tier.rank for build in builds), default=Tier.NATIVE.rank)
    versions = [version_key(build.record.version) for build in builds]
    return -worst, versions, [build.build_cuda for build in builds if build.build_cuda is not None]

"""The gate: packages are measured before they are linked, and have to hold code for the GPUs that they are for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import TypeVar

from envkit.api.session import Session
from envkit.api.solve import Plan, choice_of
from envkit.builds.classify import classify
from envkit.builds.knowledge import Knowledge
from envkit.checks.hosts import judge_worst
from envkit.checks.lacking import Lacking, judge_code
from envkit.errors import HostCannotRunError, NoAnswerError, NoGpuCodeError
from envkit.layout.measured import measured_store
from envkit.layout.volume import Volume
from envkit.models.build import Record
from envkit.models.codes.advice import CODE_PASSED_OVER
from envkit.models.fact import Advice
from envkit.models.gpucode import GpuPackage
from envkit.models.manifest import PipPackage
from envkit.models.progress import Reporter
from envkit.values import replace
from envkit.wire.results import lacking_json
from envkit.words.refusals import no_gpu_code
from envkit.words.say import say
from envkit.words.values import plural

_Made = TypeVar("_Made")
_ROUNDS = 8
_HINT = (
    "Nothing was changed; what was downloaded stays in the cache. Allow another version or build of it, or name the "
    "GPU that is meant with --gpu."
)

_PIP_HINT = (
    "Nothing was changed; the wheels stay in the cache. Ask pip for another version of it, take it from conda, or name "
    "the GPU that is meant with --gpu."
)

Solve = Callable[[Sequence[Lacking]], Plan]
"""Plans, without the packages that were found to lack GPU code."""


def refuse_known(volume: Volume, plan: Plan) -> None:
    """Refuse a plan, before anything is downloaded, by what was measured of its packages before."""
    if plan.kinds:
        from envkit.installer.measure import known_code

        _refuse(plan, known_code(volume, plan.records))


def refuse_lacking(volume: Volume, plan: Plan, reporter: Reporter) -> tuple[Advice, ...]:
    """Measure the packages of a plan, which are in the cache, and return what to know of them.

    Raises:
        NoGpuCodeError: A package holds no code for a GPU of the machines that the plan is for.
    """
    if not plan.kinds:
        return ()
    from envkit.installer.measure import measure_code

    return _refuse(plan, measure_code(volume, plan.records, reporter))


def judge_measured(volume: Volume, plan: Plan) -> Plan:
    """Return a plan whose pick is judged by its own bytes, where these were measured after it was chosen."""
    if plan.pick is None or not plan.kinds:
        return plan
    record = plan.pick.build.record
    knowledge = Knowledge(here=measured_store(volume))
    if knowledge.measured(record) is None:
        return plan
    pick = judge_worst(classify(record, knowledge), plan.kinds, None)
    return replace(plan, pick=pick, choice=choice_of(pick)) if pick.tier.runs else plan


def refuse_lacking_wheels(
    volume: Volume, plan: Plan, prefix: Path, packages: Sequence[PipPackage], reporter: Reporter
) -> tuple[Advice, ...]:
    """Measure the wheels that were installed into a prefix, and return what to know of them.

    Raises:
        NoGpuCodeError: One holds no code for a GPU of the machines that the plan is for. Which other wheel would do is
            not known before it is there, so that nothing takes its place.
    """
    if not plan.kinds or not packages:
        return ()
    from envkit.installer.measure import measure_files
    from envkit.wheels.install import distribution_files

    reporter.start("gpu code", plural(len(packages), "wheel"), total=len(packages))
    paths: dict[str, list[str]] = {}
    for path, package in distribution_files(prefix, packages):
        paths.setdefault(package.name, []).append(path)
    records, measured = [], {}
    for package in packages:
        fn = package.url.rsplit("/", 1)[-1]
        sha256 = package.hashes.get("sha256", "")
        record = Record(package.name, package.version or "", "", fn=fn, sha256=sha256)
        bare = GpuPackage(package.name, package.version or "", "", fn, sha256, "")
        found = measure_files(volume, bare, prefix, paths.get(package.name, ()))
        records.append(record)
        measured.update({fn: found} if found.libraries else {})
        reporter.advance("gpu code", 1, text=package.name)
    reporter.finish("gpu code", f"{plural(len(packages), 'wheel')}, {len(measured)} with code for GPUs")
    judged = judge_code(records, measured, plan.kinds)
    if judged.lacking:
        error = NoGpuCodeError(no_gpu_code(judged.lacking), hint=_PIP_HINT)
        error.members["lacking"] = lacking_json(judged.lacking)
        raise error
    return judged.advice


def _refuse(plan: Plan, measured: Mapping[str, GpuPackage]) -> tuple[Advice, ...]:
    judged = judge_code(plan.records, measured, plan.kinds)
    if judged.lacking:
        error = NoGpuCodeError(no_gpu_code(judged.lacking), hint=_HINT)
        error.lacking = judged.lacking
        error.members["lacking"] = lacking_json(judged.lacking)
        raise error
    return judged.advice


def plan_around(
    solve: Solve,
    session: Session,
    *,
    passed: Sequence[Lacking] = (),
    first: NoGpuCodeError | None = None,
) -> Plan:
    """Plan without packages of which is known that they lack code for a GPU: each round leaves out what it met.

    Args:
        solve: Solves, without the packages that it is given.
        passed: What is left out from the beginning.
        first: The refusal that began it, to raise where no other plan is found.

    Raises:
        NoGpuCodeError: No plan is left.
    """
    out = list(passed)
    for turn in count(1):
        try:
            plan = solve(out)
        except (NoAnswerError, HostCannotRunError) as error:
            if first is None:
                raise
            raise _final(first) from error
        try:
            refuse_known(session.volume, plan)
        except NoGpuCodeError as error:
            first = first or error
            out += _told(error, session.reporter)
            if turn == _ROUNDS:
                raise _final(first) from error
        else:
            return plan
    raise AssertionError  # for checkers: it counts for ever


def make_around(plan: Plan, make: Callable[[Plan], _Made], solve: Solve, session: Session) -> tuple[Plan, _Made]:
    """Make something of a plan or, where its packages lack code for a GPU, of the next best plan.

    Returns:
        The plan that was taken, and what was made.

    Raises:
        NoGpuCodeError: No plan is left.
    """
    passed: list[Lacking] = []
    first: NoGpuCodeError | None = None
    for turn in count(1):
        try:
            return plan, make(plan)
        except NoGpuCodeError as error:
            if not error.lacking:
                raise
            first = first or error
            passed = [*plan.passed, *_told(error, session.reporter)]
            if turn == _ROUNDS:
                raise _final(first) from error
        plan = plan_around(solve, session, passed=passed, first=first)
    raise AssertionError  # for checkers: it counts for ever


def _told(error: NoGpuCodeError, reporter: Reporter) -> Sequence[Lacking]:
    """Say what is passed over."""
    for record, reasons in error.lacking:
        reporter.note(say(Advice(CODE_PASSED_OVER, package=record.fn, reason=reasons[0])))
    return error.lacking


def _final(first: NoGpuCodeError) -> NoGpuCodeError:
    """Return the refusal where no other plan was found."""
    error = NoGpuCodeError(f"{first.message}; no other build takes its place", hint=first.hint)
    error.lacking, error.members = first.lacking, first.members
    return error

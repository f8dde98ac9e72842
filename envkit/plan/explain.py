"""Explanations: why this build, why no newer one, why CPU, what to change. Worked out by judging again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from envkit.builds.version import VersionKey, version_key
from envkit.checks.driver import ceiling_of, needed_driver, wants_cuda
from envkit.checks.hosts import judge_builds
from envkit.cuda.drivers import driver_ceiling, min_driver, os_of
from envkit.models.build import Build, Tier, Verdict
from envkit.models.codes.advice import (
    BUILDS_REFUSED,
    CHOSEN_BUILD,
    CPU_ASKED,
    CPU_NO_GPU,
    CPU_TRACES,
    MORE_REASONS,
    NEWER_DRIVER,
    NO_NEWER,
    SAME_VERSION,
    UNSOLVED_BUILD,
    WOULD_RUN,
)
from envkit.models.codes.reasons import DRIVER_TOO_OLD, GPU_NEEDS_NEWER_DRIVER, JIT_NEEDS_NEWER_DRIVER
from envkit.models.codes.topics import CHANGE, CPU, NO_BUILD, NOT_NEWER, THIS_BUILD
from envkit.models.fact import Advice, Answer, Fact, Reason
from envkit.models.host import Target
from envkit.models.request import Request
from envkit.models.version import DriverVersion
from envkit.plan.rank import pick, rank
from envkit.values import replace

_SHOWN = 4
_DRIVER_CODES = frozenset({DRIVER_TOO_OLD, JIT_NEEDS_NEWER_DRIVER, GPU_NEEDS_NEWER_DRIVER})


def _this(chosen: Verdict, request: Request, *, among_all: bool) -> Iterable[Fact]:
    facts = {"native_first": request.prefer == "native", "among_all": among_all}
    yield Advice(CHOSEN_BUILD, build=chosen.build, tier=chosen.tier.value, **facts)
    yield from chosen.reasons


def _kinds(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Return one of each version, CUDA, channel and reason."""
    kinds: dict[tuple[object, ...], Verdict] = {}
    for verdict in verdicts:
        build = verdict.build
        record = build.record
        kinds.setdefault((record.version, build.build_cuda, build.variant, record.channel, verdict.code), verdict)
    return list(kinds.values())


def _refused(verdicts: Iterable[Verdict]) -> list[Advice]:
    """List what does not run, newest first, builds of one reason together."""
    by_reason: dict[Reason | None, list[Build]] = {}
    newest = sorted(verdicts, key=_version, reverse=True)
    for verdict in _kinds(newest):
        by_reason.setdefault(verdict.decisive, []).append(verdict.build)
    found = [
        Advice(BUILDS_REFUSED, build=builds[0], more=len(builds) - 1, reason=reason)
        for reason, builds in by_reason.items()
    ]
    rest = len(found) - _SHOWN
    return [*found[:_SHOWN], *([Advice(MORE_REASONS, number=rest)] if rest > 0 else [])]


def _version(verdict: Verdict) -> VersionKey:
    return version_key(verdict.build.record.version)


def _newer(ranked: Sequence[Verdict], chosen: Verdict) -> Iterable[Advice]:
    mine = _version(chosen)
    later = [v for v in ranked if _version(v) > mine]
    above = [v for v in later if not v.tier.runs]
    if above:
        yield from _refused(above)
        return
    if later:
        best = later[0]
        yield Advice(WOULD_RUN, build=best.build, tier=best.tier.value, reason=best.reasons[0])
        return
    same = [v for v in ranked if _version(v) == mine and v.build.build_cuda != chosen.build.build_cuda]
    yield Advice(NO_NEWER)
    for verdict in _kinds(same)[:2]:
        tier = verdict.tier
        yield Advice(SAME_VERSION, build=verdict.build, tier=tier.value, runs=tier.runs, reason=verdict.decisive)


def _cpu(request: Request, target: Target) -> Advice:
    if request.cuda.kind == "none":
        return Advice(CPU_ASKED)
    if target.nvidia_traces:
        return Advice(CPU_TRACES, traces=target.nvidia_traces)
    return Advice(CPU_NO_GPU, described=bool(target.described))


def _better(found: Verdict | None, chosen: Verdict | None) -> bool:
    if found is None or found.tier in {Tier.CPU, Tier.UNKNOWN}:
        return False
    if chosen is None:
        return True
    theirs, mine = _version(found), _version(chosen)
    return theirs > mine or (theirs == mine and found.tier is Tier.NATIVE and chosen.tier is not Tier.NATIVE)


def _with_driver(target: Target, driver: DriverVersion) -> Target:
    ceiling, described = driver_ceiling(driver), target.described | {"driver_version"}
    return replace(target, driver_version=driver, driver_cuda=ceiling, compat=False, described=described)


def _drivers(
    ranked: Sequence[Verdict], request: Request, target: Target, hosts: Mapping[str, Target], chosen: Verdict | None
) -> Iterable[Advice]:
    """Yield newer drivers that run something better, the oldest first."""
    ceiling = ceiling_of(target)
    if not wants_cuda(target) or ceiling is None or target.driver_version is None or target.tegra:
        return
    system = os_of(target.subdir)
    held = [v for v in ranked if v.code in _DRIVER_CODES and v.build.build_cuda]
    if chosen is not None:
        held = [v for v in held if _version(v) > _version(chosen)]
        if chosen.tier is Tier.MINOR:
            held.append(chosen)
    toolkits = {v.build.build_cuda for v in held if v.build.build_cuda is not None}
    drivers = {needed_driver(cuda, target.subdir) for cuda in toolkits} | {min_driver(c, system) for c in toolkits}
    best = chosen
    for driver in sorted(drivers):
        if driver.branch <= target.driver_version.branch:
            continue
        there = _with_driver(target, driver)
        newer = {name: _raised(host, driver) for name, host in hosts.items()}
        found = pick(rank(judge_builds([v.build for v in ranked], there, newer, request=request), request, there))
        if found is not None and _better(found, best):
            yield Advice(NEWER_DRIVER, driver=driver, build=found.build, tier=found.tier.value)
            best = found


def _raised(host: Target, driver: DriverVersion) -> Target:
    """Return a machine with at least this driver."""
    if host.driver_version is None or host.driver_version >= driver:
        return host
    return _with_driver(host, driver)


def _is_rebuild(one: Build, other: Build) -> bool:
    """Return whether two builds are of one version for one CUDA."""
    first, second = one.record, other.record
    return (first.name, first.version, one.build_cuda) == (second.name, second.version, other.build_cuda)


def explain(
    ranked: Sequence[Verdict],
    request: Request,
    target: Target,
    *,
    hosts: Mapping[str, Target] | None = None,
    advice: Sequence[Advice] = (),
    taken: Verdict | None = None,
    unsolved: Sequence[tuple[Verdict, object]] = (),
) -> tuple[Answer, ...]:
    """Answer what people ask about a choice: facts, each with the question that it answers.

    Args:
        advice: What `envkit.plan.limits` found; it belongs to what to change.
        taken: The build that was taken, where a solver had a say; else the first that runs.
        unsolved: Better builds that the solver could not combine with the rest of the request, and why.
    """
    chosen = taken or pick(ranked)
    answers: list[Answer] = []
    if chosen is not None:
        unsolved = [item for item in unsolved if not _is_rebuild(item[0].build, chosen.build)]
        answers += [Answer(THIS_BUILD, fact) for fact in _this(chosen, request, among_all=not unsolved)]
        for verdict, why in unsolved[:_SHOWN]:
            answers.append(Answer(NOT_NEWER, Advice(UNSOLVED_BUILD, build=verdict.build, why=why)))
        held = {verdict.build.record.version for verdict, _ in unsolved}
        rest = [verdict for verdict in ranked if not verdict.tier.runs or verdict.build.record.version not in held]
        if not unsolved or any(_version(verdict) > _version(chosen) for verdict in rest):
            answers += [Answer(NOT_NEWER, fact) for fact in _newer(rest, chosen)]
        if chosen.tier is Tier.CPU:
            answers.append(Answer(CPU, _cpu(request, target)))
    else:
        answers += [Answer(NO_BUILD, fact) for fact in _refused(ranked)]
    answers += [Answer(CHANGE, fact) for fact in advice]
    answers += [Answer(CHANGE, fact) for fact in _drivers(ranked, request, target, hosts or {}, chosen)]
    return tuple(answers)

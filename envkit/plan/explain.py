"""Why this build, why no newer one, why CPU, and what to change: answers as sentences, worked out by judging again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from envkit.builds.families import channel_name
from envkit.builds.version import version_key
from envkit.checks.driver import ceiling_of, needed_driver, wants_cuda
from envkit.checks.hosts import judge_builds
from envkit.cuda.drivers import driver_ceiling, min_driver, os_of
from envkit.models.build import Build, Reason, Tier, Verdict
from envkit.models.host import Target
from envkit.models.request import Request
from envkit.models.version import DriverVersion
from envkit.plan.rank import pick, rank

__all__ = ["TOPICS", "build_words", "explain"]

TOPICS = {
    "this-build": "why this build",
    "not-newer": "why no newer one",
    "no-build": "why none",
    "cpu": "why CPU",
    "change": "what to change",
}
"""The questions, by the code of an answer."""

_SHOWN = 4
_DRIVER_CODES = frozenset({"driver-too-old", "jit-needs-newer-driver", "gpu-needs-newer-driver"})


def build_words(build: Build) -> str:
    """A build as a person names it: ``pytorch 2.12.1 for CUDA 12.9 of conda-forge``."""
    kind = f" for CUDA {build.build_cuda}" if build.build_cuda else ""
    if build.variant in {"cpu", "mps"}:
        kind = f" for {build.variant.upper()}"
    channel = channel_name(build.record.channel)
    return f"{build.record.name} {build.record.version}{kind}" + (f" of {channel}" if channel else "")


def _this(chosen: Verdict, request: Request, *, among_all: bool) -> Iterable[str]:
    order = "the newest version of the surest tier" if request.prefer == "native" else "the newest version that runs"
    rest = "" if among_all else " and goes together with the rest of the request"
    yield f"{build_words(chosen.build)} is {order}{rest}; it runs as {chosen.tier.value}"
    for reason in chosen.reasons:
        yield reason.text


def _kinds(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """One of each version, CUDA, channel and reason."""
    kinds: dict[tuple[object, ...], Verdict] = {}
    for verdict in verdicts:
        build = verdict.build
        code = verdict.reasons[0].code if verdict.reasons else ""
        kinds.setdefault((build.record.version, build.build_cuda, build.variant, build.record.channel, code), verdict)
    return list(kinds.values())


def _refused(verdicts: Iterable[Verdict]) -> list[str]:
    """What does not run, newest first, each with its decisive reason; those of one reason together."""
    by_reason: dict[str, list[Build]] = {}
    newest = sorted(verdicts, key=lambda v: version_key(v.build.record.version), reverse=True)
    for verdict in _kinds(newest):
        text = verdict.reasons[0].text if verdict.reasons else "it does not run there"
        by_reason.setdefault(text, []).append(verdict.build)
    lines: list[str] = []
    for text, builds in by_reason.items():
        more = f" and {len(builds) - 1} more" if len(builds) > 1 else ""
        lines.append(f"{build_words(builds[0])}{more}: {text}")
    rest = len(lines) - _SHOWN
    return [*lines[:_SHOWN], *([f"and {rest} more reasons: --all --why"] if rest > 0 else [])]


def _above(verdict: Verdict, chosen: Verdict) -> bool:
    return version_key(verdict.build.record.version) > version_key(chosen.build.record.version)


def _newer(ranked: Sequence[Verdict], chosen: Verdict) -> Iterable[str]:
    mine = version_key(chosen.build.record.version)
    above = [v for v in ranked if not v.tier.runs and version_key(v.build.record.version) > mine]
    if above:
        yield from _refused(above)
        return
    later = [v for v in ranked if version_key(v.build.record.version) > mine]
    if later:
        best = later[0]
        yield f"{build_words(best.build)} would run as {best.tier.value} only: {best.reasons[0].text}"
        return
    same = [
        v
        for v in ranked
        if version_key(v.build.record.version) == mine and v.build.build_cuda != chosen.build.build_cuda
    ]
    yield "no channel that was asked has a newer one that matches the request"
    for verdict in _kinds(same)[:2]:
        text = verdict.reasons[0].text if verdict.reasons else verdict.tier.value
        runs = f"runs as {verdict.tier.value}" if verdict.tier.runs else "does not run"
        yield f"{build_words(verdict.build)} {runs}: {text}"


def _cpu(request: Request, target: Target) -> str:
    if request.cuda.kind == "none":
        return "--cuda none was asked for, or a package that means it"
    if target.nvidia_traces:
        return f"no GPU can be used here, though there are signs of one: {', '.join(target.nvidia_traces)}"
    where = "the target" if target.described else "this machine"
    return f"{where} has no NVIDIA GPU: name another machine with --driver and --gpu, or a toolkit with --cuda"


def _better(found: Verdict | None, chosen: Verdict | None) -> bool:
    if found is None or found.tier in {Tier.CPU, Tier.UNKNOWN}:
        return False
    if chosen is None:
        return True
    theirs, mine = version_key(found.build.record.version), version_key(chosen.build.record.version)
    return theirs > mine or (theirs == mine and found.tier is Tier.NATIVE and chosen.tier is not Tier.NATIVE)


def _with_driver(target: Target, driver: DriverVersion) -> Target:
    return replace(
        target,
        driver_version=driver,
        driver_cuda=driver_ceiling(driver),
        compat=False,
        described=target.described | {"driver_version"},
    )


def _drivers(
    ranked: Sequence[Verdict], request: Request, target: Target, hosts: Mapping[str, Target], chosen: Verdict | None
) -> Iterable[str]:
    """Newer drivers with which something better runs, the oldest first."""
    ceiling = ceiling_of(target)
    if not wants_cuda(target) or ceiling is None or target.driver_version is None or any(g.tegra for g in target.gpus):
        return
    system = os_of(target.subdir)
    held = [v for v in ranked if v.reasons and v.reasons[0].code in _DRIVER_CODES and v.build.build_cuda]
    if chosen is not None:
        mine = version_key(chosen.build.record.version)
        held = [v for v in held if version_key(v.build.record.version) > mine]
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
            yield f"driver {driver} or newer runs {build_words(found.build)}, {found.tier.value}"
            best = found


def _raised(host: Target, driver: DriverVersion) -> Target:
    """A machine with at least this driver."""
    if host.driver_version is None or host.driver_version >= driver:
        return host
    return _with_driver(host, driver)


def explain(
    ranked: Sequence[Verdict],
    request: Request,
    target: Target,
    *,
    hosts: Mapping[str, Target] | None = None,
    advice: Sequence[str] = (),
    taken: Verdict | None = None,
    unsolved: Sequence[tuple[Verdict, str]] = (),
) -> tuple[Reason, ...]:
    """The answers to what people ask about a choice.

    Args:
        ranked: What matches the request, best first.
        request: What the user asked.
        target: The machine.
        hosts: The machines, where there are several.
        advice: What `envkit.plan.limits` says: it belongs to what to change.
        taken: The build that was taken, where a solver had a say; else the first that runs.
        unsolved: Better builds that the solver could not combine with the rest of the request, and why.

    Returns:
        Sentences; the code of each is one of `TOPICS`.
    """
    chosen = taken or pick(ranked)
    answers: list[Reason] = []
    if chosen is not None:
        answers += [Reason("this-build", text) for text in _this(chosen, request, among_all=not unsolved)]
        for verdict, why in unsolved[:_SHOWN]:
            text = f"{build_words(verdict.build)} runs, and does not go together with the rest of the request: {why}"
            answers.append(Reason("not-newer", text))
        held = {verdict.build.record.version for verdict, _ in unsolved}
        rest = [verdict for verdict in ranked if not verdict.tier.runs or verdict.build.record.version not in held]
        if not unsolved or any(_above(verdict, chosen) for verdict in rest):
            answers += [Reason("not-newer", text) for text in _newer(rest, chosen)]
        if chosen.tier is Tier.CPU:
            answers.append(Reason("cpu", _cpu(request, target)))
    else:
        answers += [Reason("no-build", text) for text in _refused(ranked)]
    answers += [Reason("change", text) for text in advice]
    answers += [Reason("change", text) for text in _drivers(ranked, request, target, hosts or {}, chosen)]
    return tuple(answers)

"""Candidates: the builds of a package in the channels, judged and ranked for the target."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from itertools import filterfalse

from envkit.api.indexes import tell_trouble
from envkit.api.session import Session
from envkit.api.spelling import nearest_name
from envkit.builds.classify import classify_all
from envkit.builds.dependency import dependency_names, record_matches
from envkit.builds.families import channel_name
from envkit.builds.knowledge import Knowledge, shipped_knowledge
from envkit.builds.published import compiled_part, published_builds, published_channels, table_date
from envkit.builds.version import version_key
from envkit.checks.driver import wants_cuda
from envkit.checks.hosts import group_kinds, judge_builds, ruling_out
from envkit.checks.verdict import judge
from envkit.engines.base import ChannelAccess, QueryResult
from envkit.errors import EnvkitError, HostCannotRunError, NoAnswerError, PackageNotFoundError
from envkit.frameworks.table import EXTRA_CHANNELS, row_of
from envkit.models.build import Record, Tier, Verdict
from envkit.models.channel import Channel
from envkit.models.codes.advice import (
    BEST_REFUSED,
    COMPILED_PART,
    CPU_RUNS,
    DESCRIBE_TARGET,
    HIDDEN_BUILD,
    LEAVE_OUT,
    PUBLISHED_ELSEWHERE,
    TABLE_CHANNELS,
)
from envkit.models.codes.reasons import HIDDEN_BY_CHANNEL, NO_GPU
from envkit.models.fact import Advice, Reason
from envkit.models.host import MachineKind, Target
from envkit.models.request import CudaChoice, Inquiry, Request
from envkit.models.solve import ChannelPriority
from envkit.plan.limits import limits
from envkit.plan.rank import nearest, pick, rank
from envkit.settings import Settings, is_allowed, resolve_channels
from envkit.values import dataclass, field, replace
from envkit.words import refusals
from envkit.words.values import plural


@dataclass(frozen=True, slots=True)
class Candidates:
    """The builds of one name, judged."""

    name: str  # the package
    ranked: tuple[Verdict, ...]  # what matches the request, best first
    rejected: tuple[Verdict, ...]  # what matches the spec and not the request: another CUDA, Python or platform
    others: tuple[Verdict, ...]  # what does not match the spec, and what a channel of higher priority hides
    hidden: Verdict | None = None  # the best of what is hidden, where it is newer than all that is not
    lower: tuple[Verdict, ...] = ()  # what matches the request and is hidden, best first
    channel: str | None = None  # the channel that hides the others, where they are in order
    hosts: Mapping[str, Target] = field(default_factory=dict)  # the machines by name, where there are several
    table_date: str | None = None  # the day of the built-in table, where that answered and not the channels
    by_kind: tuple[tuple[MachineKind, tuple[Verdict, ...]], ...] = ()  # for each kind alone what matches, best first


def channels_for(
    names: Sequence[str], *, explicit: Sequence[Channel], override: bool, settings: Settings
) -> tuple[tuple[Channel, ...], bool]:
    """Return the channels to ask, in order, and whether the user or a file chose them.

    Without such a choice: conda-forge and, for frameworks that are published there, pytorch and nvidia; `create` then
    installs from the channels of its pick alone.

    `explicit` are those of ``-c``, or of a recipe; with `override` there are no others.
    """
    if explicit and override:
        return tuple(explicit), True
    configured = resolve_channels(settings.channels, settings)
    if explicit or configured:
        named = {channel.url: channel for channel in (*explicit, *configured)}
        short = {channel_name(url) for url in named}
        if short & EXTRA_CHANNELS and not short & {"conda-forge", "pkgs/main"}:
            # Their builds need mkl, blas and the like, which conda takes from `defaults`.
            named.update((channel.url, channel) for channel in resolve_channels(["conda-forge"], settings))
        return tuple(named.values()), True
    rows = [row for name in names if (row := row_of(name)) is not None]
    texts = ["conda-forge", *(channel for row in rows for channel in row.channels)]
    return resolve_channels(_allowed(list(dict.fromkeys(texts)), settings), settings), False


def _allowed(texts: Sequence[str], settings: Settings) -> Sequence[str]:
    """Leave out what the configuration forbids, of channels that nobody asked for; all of them stay if nothing else."""
    if not settings.allowed and not settings.denied:
        return texts
    return [text for text in texts if is_allowed(text, settings)] or texts


def judge_spec(
    session: Session, inquiry: Inquiry, spec: str, *, access: ChannelAccess, ordered: bool = False
) -> Candidates:
    """Ask the channels for every build of a package; classify, judge and rank them.

    With `ordered`, for channels that the user put in order, a channel hides those after it, as in a solve over all of
    them: by strict priority the first that has the name, by flexible priority the first that has a build that runs. A
    spec with a channel is hidden by none.

    Raises:
        PackageNotFoundError: No channel has a package of that name.
        ChannelError: A channel cannot be read.
    """
    counts = ordered and "::" not in spec
    order = [channel.url for channel in access.channels] if counts else []
    found = _asked(session, inquiry, spec, access)
    known, priority = session.knowledge, session.settings.priority
    candidates = _judged(found, inquiry, known, order=order, priority=priority)
    if not inquiry.hosts:
        return candidates

    def ask(subdir: str) -> QueryResult:
        if subdir == inquiry.target.subdir:
            return found
        return _asked(session, replace(inquiry, target=Target(subdir)), spec, access)

    return replace(candidates, by_kind=_by_kind(inquiry, ask, known, order=order, priority=priority))


def _by_kind(
    inquiry: Inquiry,
    ask: Callable[[str], QueryResult],
    knowledge: Knowledge,
    *,
    order: Sequence[str] = (),
    priority: ChannelPriority = "disabled",
) -> tuple[tuple[MachineKind, tuple[Verdict, ...]], ...]:
    """Judge for each kind of machines alone; `ask` returns what there is for a platform."""
    found: dict[str, QueryResult | None] = {}
    judged: list[tuple[MachineKind, tuple[Verdict, ...]]] = []
    for kind in group_kinds(inquiry.hosts):
        subdir = kind.target.subdir
        if subdir not in found:
            try:
                found[subdir] = ask(subdir)
            except NoAnswerError:  # nothing of that name is there for that platform
                found[subdir] = None
        there = found[subdir]
        alone = replace(inquiry, target=kind.target, hosts={})
        ranked = _judged(there, alone, knowledge, order=order, priority=priority).ranked if there is not None else ()
        judged.append((kind, ranked))
    return tuple(judged)


def _asked(session: Session, inquiry: Inquiry, spec: str, access: ChannelAccess) -> QueryResult:
    """Ask the channels for every build of a package."""
    target, reporter = inquiry.target, session.reporter
    where = ", ".join(channel.name for channel in access.channels)
    reporter.start("index", where)
    for channel in access.channels:
        reporter.detail(f"asking {channel.url} for {spec}; its index is kept in {access.index_dir}")
    found = session.engine.query(spec, platforms=[target.subdir, "noarch"], access=access)
    tell_trouble(session, access)
    reporter.finish("index", f"{where}: {plural(len(found.matching) + len(found.others), 'build')} of {found.name}")
    newest = inquiry.request.newest_ms
    if newest is not None and (found.matching or found.others):
        matching, others = (
            tuple(record for record in records if (record.timestamp or 0) <= newest)
            for records in (found.matching, found.others)
        )
        if not matching and not others:
            until = datetime.datetime.fromtimestamp(newest / 1000, tz=datetime.timezone.utc)
            origin = session.settings.origins.get("exclude_newer")
            raise NoAnswerError(
                f"nothing of {found.name} was published until {until.isoformat(timespec='seconds')}"
                + (f" (exclude_newer of {origin})" if origin else ""),
                hint="Give a later --exclude-newer; with 0 all packages are seen.",
            )
        found = QueryResult(found.name, matching, others)
    if not found.matching and not found.others:
        raise PackageNotFoundError(
            f"no package {found.name!r} for {target.subdir} in {where}",
            hint=_meant(session, found.name, [target.subdir, "noarch"], access),
        )
    return found


def _meant(session: Session, name: str, platforms: Sequence[str], access: ChannelAccess) -> str:
    """Return the hint for a name that no channel has."""
    near = nearest_name(session, name, platforms=platforms, access=access)
    return (
        f"Did you mean {near}? " * (near is not None) + "Check the spelling, or name the channel that has it with -c."
    )


def _judged(
    found: QueryResult,
    inquiry: Inquiry,
    knowledge: Knowledge,
    *,
    order: Sequence[str] = (),
    priority: ChannelPriority = "disabled",
    table_date: str | None = None,
) -> Candidates:
    request, target, hosts = inquiry.request, inquiry.target, inquiry.hosts
    builds = classify_all((*found.matching, *found.others), knowledge)
    every = judge_builds(builds[: len(found.matching)], target, hosts, request=request)
    first = _first(found, rank(every, request, target), order, priority)
    verdicts = [v for v in every if first is None or v.build.record.channel.rstrip("/") == first]
    hidden = [v for v in every if first is not None and v.build.record.channel.rstrip("/") != first]
    ranked = rank(verdicts, request, target)
    row = row_of(found.name)
    if row is not None and row.gpu_is_optional and pick(ranked) is None:  # `create` takes its CPU build, too
        ranked = rank(verdicts, replace(request, cuda=CudaChoice("none")), target)
    chosen = {id(verdict) for verdict in ranked}
    any_cuda = replace(request, cuda=request.cuda if request.cuda.kind == "none" else CudaChoice())
    others = judge_builds(builds[len(found.matching) :], target, hosts, request=request)
    return Candidates(
        name=found.name,
        ranked=tuple(ranked),
        rejected=tuple(verdict for verdict in verdicts if id(verdict) not in chosen),
        others=(*others, *hidden),
        lower=tuple(rank(hidden, request, target)),
        hidden=_worth_it(pick(rank(hidden, any_cuda, target)), pick(ranked)),
        channel=first,
        hosts=hosts,
        table_date=table_date,
    )


def _first(
    found: QueryResult, ranked: Sequence[Verdict], order: Sequence[str], priority: ChannelPriority
) -> str | None:
    """Return the channel that hides the others; None where none does."""
    if priority == "disabled":
        return None
    if priority == "strict":
        have = {record.channel.rstrip("/") for record in (*found.matching, *found.others)}
    else:
        have = {verdict.build.record.channel.rstrip("/") for verdict in ranked if verdict.tier.runs}
    return next((url for url in order if url in have), None)


def marked(candidates: Candidates) -> tuple[Verdict, ...]:
    """Return what is hidden, each build with the channel that hides it as its first reason."""
    reason = Reason(HIDDEN_BY_CHANNEL, channel=channel_name(candidates.channel or ""))
    return tuple(replace(verdict, reasons=(reason, *verdict.reasons)) for verdict in candidates.lower)


def _worth_it(hidden: Verdict | None, chosen: Verdict | None) -> Verdict | None:
    if hidden is None or hidden.tier in {Tier.UNKNOWN, Tier.CPU} or chosen is None:
        return hidden
    newer = version_key(hidden.build.record.version) > version_key(chosen.build.record.version)
    return hidden if newer else None


def advise(candidates: Candidates, request: Request, target: Target) -> list[Advice]:
    """List what limits the choice, and what to change."""
    seen = [v for v in candidates.others if candidates.channel in {None, v.build.record.channel.rstrip("/")}]
    found = limits((*candidates.ranked, *candidates.rejected, *seen), request, target)
    hidden, cuda = candidates.hidden, request.cuda
    if hidden is not None:
        build = hidden.build
        held = cuda.asks_cuda and not cuda.matches(build.build_cuda, major_only=build.cuda_major_only)
        url = build.record.channel
        channel = url if url.startswith("file:") else channel_name(url)  # as -c takes it
        found.append(Advice(HIDDEN_BUILD, verdict=hidden, channel=channel, cuda=cuda if held else None))
    return found


def judge_table(inquiry: Inquiry, channels: Sequence[Channel]) -> Candidates:
    """Ask the built-in table of published builds for a package that it knows (`table_knows`).

    Where the table knows the package in other channels only, those answer; where it knows the package by its compiled
    part (jaxlib of jax), that does. `table_notes` says so.
    """
    wanted, target = inquiry.request.parsed[0], inquiry.target
    wanted = wanted._replace(name=compiled_part(wanted.name))
    asked = {channel_name(channel.url) for channel in channels}

    def fits(record: Record) -> bool:
        if inquiry.request.python is not None and "python" not in dependency_names(record.depends):
            return False  # the table does not know for which Pythons it is
        return record_matches(wanted, record)

    def ask(subdir: str) -> QueryResult:
        every = published_builds(wanted.name, subdir)
        records = [record for record in every if channel_name(record.channel) in asked] or every
        return QueryResult(wanted.name, tuple(filter(fits, records)), tuple(filterfalse(fits, records)))

    known = shipped_knowledge()
    candidates = _judged(ask(target.subdir), inquiry, known, table_date=table_date())
    return replace(candidates, by_kind=_by_kind(inquiry, ask, known)) if inquiry.hosts else candidates


def table_notes(name: str, candidates: Candidates, channels: Sequence[Channel]) -> list[Advice]:
    """List what to know of an answer of the table."""
    found: list[Advice] = []
    if candidates.name != name:
        found.append(Advice(COMPILED_PART, name=name, part=candidates.name))
    asked = {channel_name(channel.url) for channel in channels}
    verdicts = (*candidates.ranked, *candidates.rejected, *candidates.others)
    others = {channel_name(verdict.build.record.channel) for verdict in verdicts} - asked
    if others:
        found.append(Advice(TABLE_CHANNELS, channels=sorted(others)))
    return found


def elsewhere(
    name: str, request: Request, target: Target, *, channels: Sequence[str], hosts: Mapping[str, Target]
) -> Advice | None:
    """Name a channel that, by the table, has a build that runs, for a request that nothing of `channels` serves."""
    asked = {channel_name(channel) for channel in channels}
    for channel in sorted(published_channels(name) - asked):
        records = [r for r in published_builds(name, target.subdir) if channel_name(r.channel) == channel]
        best = pick(rank(judge_builds(classify_all(records), target, hosts, request=request), request, target))
        if best is not None and best.tier not in {Tier.UNKNOWN, Tier.CPU}:
            tier = best.tier.value
            return Advice(PUBLISHED_ELSEWHERE, build=best.build, tier=tier, date=table_date(), channel=channel)
    return None


def refuse_unclear(candidates: Candidates, request: Request, target: Target) -> EnvkitError | None:
    """Return the refusal of a host with signs of NVIDIA and no usable GPU: CPU and CUDA may both be meant."""
    verdicts = (*candidates.ranked, *candidates.rejected)
    row = row_of(candidates.name)
    may_be_cuda = row is not None and not row.gpu_is_optional  # in other channels, if these have CPU builds alone
    if (
        request.cuda.kind != "auto"
        or not target.nvidia_traces
        or wants_cuda(target)
        or not (may_be_cuda or any(verdict.build.variant == "cuda" for verdict in verdicts))
    ):
        return None
    return HostCannotRunError(refusals.unclear(target), hint=refusals.UNCLEAR_HINT)


def nothing_runs(candidates: Candidates, request: Request, target: Target) -> EnvkitError:
    """Return why there is no answer, nothing that matches or nothing that runs, and what would help."""
    ranked = candidates.ranked
    known = Advice(BEST_REFUSED, build=ranked[0].build, reason=ranked[0].decisive) if ranked else None
    every = advise(candidates, request, target)
    others = (fact for fact in every if fact != known)
    advice = sorted(others, key=lambda fact: fact.code == CPU_RUNS)  # the last resort
    error: EnvkitError
    culprits: Sequence[MachineKind] = ()
    if not ranked:
        near = nearest((*candidates.rejected, *candidates.others), request, target)[:3]
        cuda = request.cuda.kind == "auto" and wants_cuda(target)
        message, hint = refusals.no_build(candidates.name, request, target, cuda=cuda, advice=advice, near=near)
        error = NoAnswerError(message, hint=hint)
    else:
        culprits = ruling_out([v.build for v in ranked], candidates.hosts, request=request)
        served = _served(culprits[0], candidates, request) if culprits else None
        if culprits:
            advice.insert(0, Advice(LEAVE_OUT, kinds=culprits))
        elif ranked[0].code == NO_GPU:
            advice.insert(0, Advice(DESCRIBE_TARGET))
        message = refusals.none_runs(
            candidates.name,
            request,
            ranked,
            where="hosts" if candidates.hosts else "target" if target.described else "host",
            culprits=culprits,
            served=served,
        )
        error = HostCannotRunError(message, hint=refusals.what_helps(advice))
    error.told = (*advice, *([known] if not culprits else []))
    return error


def _served(kind: MachineKind, candidates: Candidates, request: Request) -> Verdict:
    """Return the verdict, on one kind of machines, of the best build that runs on all others."""
    others = {name: host for name, host in candidates.hosts.items() if host != kind.target}
    builds = [verdict.build for verdict in candidates.ranked]
    best = next(v.build for v in judge_builds(builds, kind.target, others, request=request) if v.tier.runs)
    return judge(best, kind.target, request=request)

"""What find and create share: ask the channels for a framework's builds and judge each for the target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from envkit.builds.classify import classify
from envkit.builds.dependency import parse_match_spec, spec_matches
from envkit.builds.families import channel_name
from envkit.builds.published import compiled_part, published_builds, published_channels, table_date
from envkit.builds.version import version_key
from envkit.checks.driver import wants_cuda
from envkit.checks.hosts import judge_builds, ruling_out
from envkit.checks.verdict import judge
from envkit.engines.base import Engine, EngineSettings, QueryResult
from envkit.errors import EnvkitError, HostCannotRunError, NoAnswerError, PackageNotFoundError
from envkit.frameworks.table import EXTRA_CHANNELS, row_of
from envkit.models.build import Tier, Verdict
from envkit.models.channel import Channel
from envkit.models.host import Target
from envkit.models.network import NetworkPolicy
from envkit.models.progress import Reporter
from envkit.models.request import CudaChoice, Request
from envkit.plan.explain import build_words
from envkit.plan.limits import limits
from envkit.plan.rank import nearest, pick, rank
from envkit.settings import Settings, resolve_channels

__all__ = [
    "Candidates",
    "advise",
    "channels_for",
    "elsewhere",
    "engine_settings",
    "judge_spec",
    "judge_table",
    "nothing_runs",
    "refuse_unclear",
    "table_notes",
]


@dataclass(frozen=True, slots=True)
class Candidates:
    """The builds of one name, judged.

    Attributes:
        name: The package.
        ranked: What matches the request, best first.
        rejected: What matches the spec and not the request: another CUDA, Python or platform.
        others: What does not match the spec, and what a channel of higher priority hides.
        hidden: The best of what is hidden, where it is newer than all that is not.
        channel: The channel that hides the others, where they are in order.
        hosts: The machines by name, where there are several.
        table_date: The day of the built-in table, where that answered and not the channels.
    """

    name: str
    ranked: tuple[Verdict, ...]
    rejected: tuple[Verdict, ...]
    others: tuple[Verdict, ...]
    hidden: Verdict | None = None
    channel: str | None = None
    hosts: Mapping[str, Target] = field(default_factory=dict)
    table_date: str | None = None


def channels_for(
    names: Sequence[str], *, explicit: Sequence[Channel], override: bool, settings: Settings
) -> tuple[tuple[Channel, ...], bool]:
    """The channels that a verb asks, in order, and whether the user or a file chose them.

    Nobody's choice means conda-forge and, for frameworks that are published there, pytorch and nvidia; `create` then
    installs from the channels of its pick alone.

    Args:
        names: Names of the packages that are asked for.
        explicit: Channels of ``-c``, or of a recipe.
        override: ``--override-channels``: nothing but `explicit`.
        settings: For condarc's channels and the alias.
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
    return resolve_channels(list(dict.fromkeys(texts)), settings), False


def engine_settings(channels: tuple[Channel, ...], policy: NetworkPolicy, index_dir: Path) -> EngineSettings:
    """What the engine needs, with the index cache made."""
    index_dir.mkdir(parents=True, exist_ok=True)
    return EngineSettings(channels=channels, policy=policy, index_dir=index_dir)


def judge_spec(
    spec: str,
    request: Request,
    target: Target,
    *,
    engine: Engine,
    settings: EngineSettings,
    reporter: Reporter,
    hosts: Mapping[str, Target] | None = None,
    strict: bool = False,
) -> Candidates:
    """Every build of the spec's name, classified, judged and ranked.

    Args:
        spec: The package.
        request: What the user asked.
        target: For which machine.
        engine: Who reads the channels.
        settings: The channels.
        reporter: Hears what goes on.
        hosts: The machines by name, where there are several.
        strict: Whether the first channel that has the name hides the others, as it does in a solve over all of them
            (conda's strict channel priority): so it is for channels that the user put in order.

    Raises:
        PackageNotFoundError: No channel has a package of that name.
        SpecError: The spec cannot be read.
        ChannelError: A channel cannot be read.
    """
    where = ", ".join(channel.name for channel in settings.channels)
    reporter.start("index", where)
    found = engine.query(spec, platforms=[target.subdir, "noarch"], settings=settings)
    reporter.finish("index", f"{where}: {len(found.matching) + len(found.others)} builds of {found.name}")
    if not found.matching and not found.others:
        raise PackageNotFoundError(
            f"no package {found.name!r} for {target.subdir} in {where}",
            hint="Check the spelling, or name the channel that has it with -c.",
        )
    order = [channel.url for channel in settings.channels] if strict else []
    return _judged(found, request, target, hosts or {}, order=order)


def _first_channel(found: QueryResult, order: Sequence[str]) -> str | None:
    have = {record.channel.rstrip("/") for record in (*found.matching, *found.others)}
    return next((url for url in order if url in have), None)


def _judged(
    found: QueryResult,
    request: Request,
    target: Target,
    hosts: Mapping[str, Target],
    *,
    order: Sequence[str] = (),
    table_date: str | None = None,
) -> Candidates:
    every = judge_builds([classify(record) for record in found.matching], target, hosts, request=request)
    first = _first_channel(found, order)
    verdicts = [v for v in every if first is None or v.build.record.channel.rstrip("/") == first]
    hidden = [v for v in every if first is not None and v.build.record.channel.rstrip("/") != first]
    ranked = rank(verdicts, request, target)
    chosen = {id(verdict) for verdict in ranked}
    others = judge_builds([classify(record) for record in found.others], target, hosts, request=request)
    return Candidates(
        name=found.name,
        ranked=tuple(ranked),
        rejected=tuple(verdict for verdict in verdicts if id(verdict) not in chosen),
        others=(*others, *hidden),
        hidden=_worth_it(_best_of_any_cuda(hidden, request, target), pick(ranked)),
        channel=first,
        hosts=hosts,
        table_date=table_date,
    )


def _best_of_any_cuda(verdicts: Sequence[Verdict], request: Request, target: Target) -> Verdict | None:
    cuda = request.cuda if request.cuda.kind == "none" else CudaChoice()
    return pick(rank(verdicts, replace(request, cuda=cuda), target))


def _worth_it(hidden: Verdict | None, chosen: Verdict | None) -> Verdict | None:
    if hidden is None or hidden.tier in {Tier.UNKNOWN, Tier.CPU} or chosen is None:
        return hidden
    newer = version_key(hidden.build.record.version) > version_key(chosen.build.record.version)
    return hidden if newer else None


def advise(candidates: Candidates, request: Request, target: Target) -> list[str]:
    """What limits the choice, in sentences that say what to change."""
    seen = [v for v in candidates.others if candidates.channel in {None, v.build.record.channel.rstrip("/")}]
    texts = limits((*candidates.ranked, *candidates.rejected, *seen), request, target)
    if candidates.hidden is not None:
        build = candidates.hidden.build
        channel = channel_name(build.record.channel)
        also = ""
        if request.cuda.asks_cuda and not request.cuda.matches(build.build_cuda, major_only=build.cuda_major_only):
            also = f", without --cuda {request.cuda} and what means it"
        texts.append(
            f"{build_words(build)} runs as {candidates.hidden.tier.value}, and a channel of higher priority hides it: "
            f"-c {channel} first, or alone{also}"
        )
    return texts


def judge_table(
    spec: str,
    request: Request,
    target: Target,
    *,
    channels: Sequence[Channel],
    hosts: Mapping[str, Target] | None = None,
) -> Candidates:
    """What the built-in table of published builds says of a package that it knows (`table_knows`).

    Where the table knows the package of other channels only, those answer; where it knows the package by its compiled
    part (jaxlib of jax), that does. `table_notes` says so.
    """
    wanted = parse_match_spec(spec)
    wanted = wanted._replace(name=compiled_part(wanted.name))
    asked = {channel_name(channel.url) for channel in channels}
    every = published_builds(wanted.name, target.subdir)
    records = [record for record in every if channel_name(record.channel) in asked] or every
    matching = [spec_matches(wanted, record.name, record.version, record.build) for record in records]
    found = QueryResult(
        wanted.name,
        tuple(record for record, fits in zip(records, matching, strict=True) if fits),
        tuple(record for record, fits in zip(records, matching, strict=True) if not fits),
    )
    return _judged(found, request, target, hosts or {}, table_date=table_date())


def table_notes(name: str, candidates: Candidates, channels: Sequence[Channel]) -> list[str]:
    """What a person should know of an answer of the table, in sentences."""
    texts: list[str] = []
    if candidates.name != name:
        texts.append(f"the compiled part of {name} is {candidates.name}, whose builds differ by CUDA: they are listed")
    asked = {channel_name(channel.url) for channel in channels}
    verdicts = (*candidates.ranked, *candidates.rejected, *candidates.others)
    others = {channel_name(verdict.build.record.channel) for verdict in verdicts} - asked
    if others:
        texts.append(f"the table knows these of {' and '.join(sorted(others))}: -c {' -c '.join(sorted(others))}")
    return texts


def elsewhere(
    name: str, request: Request, target: Target, *, channels: Sequence[str], hosts: Mapping[str, Target]
) -> str | None:
    """For a request that nothing of `channels` serves: a channel that, by the table, has what runs."""
    asked = {channel_name(channel) for channel in channels}
    for channel in sorted(published_channels(name) - asked):
        builds = [classify(r) for r in published_builds(name, target.subdir) if channel_name(r.channel) == channel]
        best = pick(rank(judge_builds(builds, target, hosts, request=request), request, target))
        if best is not None and best.tier not in {Tier.UNKNOWN, Tier.CPU}:
            return (
                f"{build_words(best.build)} was published, by the table of {table_date()}, and runs as "
                f"{best.tier.value}: -c {channel}"
            )
    return None


def refuse_unclear(candidates: Candidates, request: Request, target: Target) -> EnvkitError | None:
    """Signs of NVIDIA without a usable GPU: nothing says whether CPU or CUDA is meant, so neither is chosen."""
    verdicts = (*candidates.ranked, *candidates.rejected)
    if (
        request.cuda.kind != "auto"
        or not target.nvidia_traces
        or wants_cuda(target)
        or not any(verdict.build.variant == "cuda" for verdict in verdicts)
    ):
        return None
    return HostCannotRunError(
        f"there are signs of NVIDIA here ({', '.join(target.nvidia_traces)}) and no usable GPU, so it is not clear "
        "for which machine to choose",
        hint="Name the machine (--driver 550 --gpu a100), or ask for CPU builds with --cuda none.",
    )


def _asked(candidates: Candidates, request: Request) -> str:
    """The part of a request that is about the candidates, in words."""
    specs = [text for text in request.specs if parse_match_spec(text).name == candidates.name]
    words = [" ".join(specs) or candidates.name]
    if request.cuda.asks_cuda:
        words.append(f"for CUDA {request.cuda}")
    elif request.cuda.kind == "none":
        words.append("for CPU")
    if request.python is not None:
        words.append(f"for Python {request.python}")
    return " ".join(words)


def nothing_runs(candidates: Candidates, request: Request, target: Target) -> EnvkitError:
    """Why there is no answer: nothing matches, or nothing of what matches runs; and what would help."""
    said = [text for text in advise(candidates, request, target) if not _repeats(text, candidates)]
    advice = sorted(said, key=lambda text: text.endswith("--cuda none"))  # the CPU is the last resort
    asked = _asked(candidates, request)
    if not candidates.ranked:
        near = nearest((*candidates.rejected, *candidates.others), request, target)[:3]
        known = ", ".join(f"{v.build.record.version} {v.build.record.build}" for v in near)
        cuda = " for CUDA" if request.cuda.kind == "auto" and wants_cuda(target) else ""
        nearby = f"the nearest: {known}" if known else "check the version"
        return NoAnswerError(
            f"there is no build of {asked}{cuda} for {target.subdir}",
            hint="; ".join([*advice, nearby]),
        )
    best = candidates.ranked[0]
    reason = best.reasons[0].text if best.reasons else best.tier.value
    number = len(candidates.ranked)
    where = "on all of the machines" if candidates.hosts else "there" if target.described else "here"
    which = f"the one build of {asked} does not run" if number == 1 else f"none of the {number} builds of {asked} runs"
    why = f"{build_words(best.build)}: {reason}"
    culprits = ruling_out([v.build for v in candidates.ranked], candidates.hosts, request=request)
    if culprits:
        why = f"{' or '.join(culprits)} rules them out: {_reason_of(culprits[0], candidates, request)}"
        advice.insert(0, f"leave {' or '.join(culprits)} out of --hosts, or choose for it apart")
    return HostCannotRunError(
        f"{which} {where}: {why}",
        hint="; ".join(advice) if advice else "See every build with its reasons: envkit find --all --why.",
    )


def _reason_of(machine: str, candidates: Candidates, request: Request) -> str:
    """Why the best build for the others does not run on a machine."""
    target = candidates.hosts[machine.split(" and ", maxsplit=1)[0]]
    others = {name: host for name, host in candidates.hosts.items() if host != target}
    builds = [verdict.build for verdict in candidates.ranked]
    served = next(v.build for v in judge_builds(builds, target, others, request=request) if v.tier.runs)
    reasons = judge(served, target, request=request).reasons
    return f"{build_words(served)}: {reasons[0].text}" if reasons else build_words(served)


def _repeats(text: str, candidates: Candidates) -> bool:
    """Whether a sentence only says again why the best candidate does not run."""
    reasons = candidates.ranked[0].reasons if candidates.ranked else ()
    return bool(reasons) and text.endswith(reasons[0].text)

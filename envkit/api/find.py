"""find: what the channels have, and how each of it runs on the target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from envkit.api.choose import (
    Candidates,
    advise,
    channels_for,
    elsewhere,
    engine_settings,
    judge_spec,
    judge_table,
    nothing_runs,
    refuse_unclear,
    table_notes,
)
from envkit.builds.dependency import parse_match_spec
from envkit.builds.published import table_knows
from envkit.engines.base import Engine
from envkit.engines.outage import recall_outage, remember_outage
from envkit.engines.registry import make_engine
from envkit.errors import ChannelError
from envkit.models.channel import Channel
from envkit.models.host import Target
from envkit.models.network import NetworkPolicy
from envkit.models.progress import Reporter
from envkit.models.request import Correction, Request
from envkit.models.results import FindResult
from envkit.plan.corrections import find_corrections
from envkit.plan.explain import explain
from envkit.plan.implied import imply_cuda
from envkit.plan.matrix import make_matrix
from envkit.plan.rank import nearest, pick
from envkit.settings import Settings

__all__ = ["find"]


def find(
    request: Request,
    *,
    target: Target,
    settings: Settings,
    policy: NetworkPolicy,
    explicit: tuple[Channel, ...],
    override_channels: bool,
    index_dir: Path,
    reporter: Reporter,
    engine: Engine | None = None,
    hosts: Mapping[str, Target] | None = None,
    explained: bool = False,
    refresh: bool = False,
) -> FindResult:
    """Ask the channels for one package and judge every build for the target.

    Nothing that runs is an answer too: it comes back in `FindResult.error`, with the builds that there are. Where
    the channels that envkit asks by itself cannot be read, the built-in table of published builds answers: at the
    first failure, and for a minute after a host could not be reached without asking it again.

    Args:
        request: What is asked; one spec.
        target: For which machine.
        settings: Channels that are configured.
        policy: How the network may be used.
        explicit: Channels of ``-c``.
        override_channels: Use only these.
        index_dir: Where channel indexes are cached.
        reporter: Hears what goes on.
        engine: The solver; the embedded one when None.
        hosts: Machines by name, all of which the choice has to run on; `target` is what they have in common.
        explained: Whether to work out the explanation, which judges again with other drivers.
        refresh: Whether to ask hosts again that could not be reached a moment ago.

    Raises:
        PackageNotFoundError: No channel has a package of that name.
        SpecError: The spec cannot be read.
        ChannelError: A channel cannot be read, and the table does not know the package.
    """
    spec = request.specs[0]
    name = parse_match_spec(spec).name
    corrections = tuple(find_corrections(request, target))
    request = imply_cuda(request)
    channels, ordered = channels_for([name], explicit=explicit, override=override_channels, settings=settings)
    request = replace(request, channels=tuple(channel.name for channel in channels))
    known = not explicit and table_knows(name, target.subdir)
    outage = recall_outage(index_dir.parent, [channel.url for channel in channels]) if known and not refresh else None
    candidates: Candidates | None = None
    reason = ""
    if outage is not None:
        reason = f"{outage.cause} (tried {outage.age_s:.0f} s ago; --refresh tries again)"
    else:
        try:
            candidates = judge_spec(
                spec,
                request,
                target,
                engine=engine or make_engine(settings.engine),
                settings=engine_settings(channels, replace(policy, retries=0) if known else policy, index_dir),
                reporter=reporter,
                hosts=hosts,
                strict=ordered,
            )
        except ChannelError as error:
            if error.unreachable is not None:
                remember_outage(index_dir.parent, error.unreachable, error.cause)
            if not known:
                if not explicit:
                    where = f"{name} for {target.subdir}"
                    error.hint = (
                        f"{error.hint or ''} The built-in table of published builds does not hold {where}.".strip()
                    )
                raise
            reason = error.cause or error.message
    notes: list[str] = []
    if candidates is None:
        candidates = judge_table(spec, request, target, channels=channels, hosts=hosts)
        notes = table_notes(name, candidates, channels)
    return _result(request, target, candidates, notes, corrections, table_reason=reason, explained=explained)


def _result(
    request: Request,
    target: Target,
    candidates: Candidates,
    notes: list[str],
    corrections: tuple[Correction, ...],
    *,
    table_reason: str,
    explained: bool,
) -> FindResult:
    every = (*candidates.ranked, *candidates.rejected)
    chosen = pick(candidates.ranked)
    error = refuse_unclear(candidates, request, target)
    if error is not None:
        chosen = None
    elif chosen is None:
        error = nothing_runs(candidates, request, target)
    advice = notes + advise(candidates, request, target)
    if chosen is None:
        other = elsewhere(candidates.name, request, target, channels=request.channels, hosts=candidates.hosts)
        advice += [other] if other else []
        if error is not None:
            advice = [text for text in advice if text not in (error.hint or "") and not error.message.endswith(text)]
    explanation = (
        explain(candidates.ranked, request, target, hosts=candidates.hosts, advice=advice) if explained else ()
    )
    return FindResult(
        request=request,
        target=target,
        channels=request.channels,
        builds=candidates.ranked,
        nearest=tuple(nearest((*candidates.rejected, *candidates.others), request, target)),
        pick=chosen,
        advice=tuple(advice),
        error=error,
        hosts=candidates.hosts,
        corrections=corrections,
        matrix=make_matrix(every),
        explanation=explanation,
        source="table" if candidates.table_date else "channels",
        table_date=candidates.table_date,
        table_reason=table_reason,
    )

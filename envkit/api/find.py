"""find: the builds of a package, and how each runs on the target."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from envkit.api import choose
from envkit.api.choose import Candidates
from envkit.api.closure import solvable_pick
from envkit.api.indexes import channel_access
from envkit.api.session import Session, user_index_dir
from envkit.api.spec_channels import has_in, resolve_specs
from envkit.api.trying import running_corrections
from envkit.builds.published import table_knows
from envkit.engines.outage import Outage, recall_outage, remember_outage
from envkit.errors import ChannelError, PackageNotFoundError
from envkit.models.codes.advice import PROFILES_SERVE
from envkit.models.fact import Advice
from envkit.models.host import Target
from envkit.models.network import NetworkPolicy
from envkit.models.request import Correction, Inquiry, Request
from envkit.models.results import FindResult, Source
from envkit.plan.corrections import find_corrections
from envkit.plan.cover import cover_kinds, one_for_all
from envkit.plan.explain import explain
from envkit.plan.implied import imply_cuda
from envkit.plan.matrix import make_matrix
from envkit.plan.rank import nearest, pick
from envkit.values import dataclass, replace


def find_builds(session: Session, inquiry: Inquiry, *, explained: bool = False, refresh: bool = False) -> FindResult:
    """Ask the channels for one package and judge every build for the target.

    That nothing runs is a result too, with `FindResult.error` and the builds that exist. If channels cannot be read,
    their cached indexes answer; if there are none and envkit chose the channels itself, the built-in table of published
    builds. A host that could not be reached is not asked again for a minute.

    Args:
        explained: Whether to work out the explanation, which judges again with other drivers.
        refresh: Whether to ask hosts again that could not be reached a moment ago.

    Raises:
        ChannelError: A channel cannot be read, and neither the cache nor the table knows the package.
    """
    inquiry = session.dated(inquiry)
    request, target, explicit = inquiry.request, inquiry.target, inquiry.channels
    spec = request.specs[0]
    name = request.parsed[0].name
    corrections, asked = tuple(find_corrections(request, target)), inquiry
    request = imply_cuda(request)
    channels, ordered = choose.channels_for(
        [name], explicit=explicit, override=inquiry.override_channels, settings=session.settings
    )
    index, policy = user_index_dir(), session.policy
    resolved, more = resolve_specs(request, session.settings, has_in(session, target, index))
    spec = resolved.specs[0]
    channels = tuple({channel.url: channel for channel in (*channels, *more)}.values())
    request = replace(request, channels=tuple(channel.name for channel in channels))
    inquiry = replace(inquiry, request=request)
    known = not explicit and table_knows(name, target.subdir)

    def ask(how: NetworkPolicy) -> Candidates:
        access = channel_access(channels, how, index)
        return choose.judge_spec(session, inquiry, spec, access=access, ordered=ordered)

    def look_up() -> tuple[Candidates, list[Advice]]:
        found = choose.judge_table(inquiry, channels)
        return found, choose.table_notes(name, found, channels)

    outage = None if refresh else recall_outage(index.parent, [channel.url for channel in channels])
    try:
        answer = _answer(ask, look_up if known else None, policy, outage, cache=index.parent)
    except ChannelError as error:
        if not explicit and not known:
            missing = f"The built-in table of published builds does not hold {name} for {target.subdir}."
            error.hint = f"{error.hint or ''} {missing}".strip()
        raise
    if corrections:
        corrections = running_corrections(session, asked, corrections, table=answer.source == "table")
    result = _result(request, target, answer, corrections, explained=explained)
    if result.pick is not None and answer.source != "table":
        taken, why = solvable_pick(session, inquiry, answer.candidates, result.pick, index)
        result = replace(result, pick=taken, advice=(*why, *result.advice))
    return _for_pool(result, answer.candidates)


def _for_pool(result: FindResult, candidates: Candidates) -> FindResult:
    """Add the machines by builds, where they are of several kinds; several builds may serve what no one build does."""
    if len(candidates.by_kind) < 2:
        return result
    if result.pick is not None:
        return replace(result, machines=one_for_all(candidates.by_kind, result.pick.build))
    matrix = cover_kinds(candidates.by_kind)
    result = replace(result, machines=matrix)
    unclear = any(
        choose.refuse_unclear(candidates, result.request, kind.target) is not None for kind, _ in candidates.by_kind
    )
    if unclear or matrix.unserved or len(matrix.picks) < 2:
        return result
    advice = Advice(PROFILES_SERVE, count=len(matrix.picks))
    return replace(result, error=None, advice=(advice, *result.advice))


@dataclass(frozen=True, slots=True)
class _Answer:
    """The candidates, their source, and why it is not the channels."""

    candidates: Candidates
    source: Source = "channels"
    reason: str = ""
    notes: tuple[Advice, ...] = ()


def _answer(
    ask: Callable[[NetworkPolicy], Candidates],
    look_up: Callable[[], tuple[Candidates, list[Advice]]] | None,
    policy: NetworkPolicy,
    outage: Outage | None,
    *,
    cache: Path,
) -> _Answer:
    """Ask the channels; if they cannot be read, their cached indexes; then the built-in table."""
    failure: ChannelError | None = None
    if outage is not None:
        reason = f"{outage.cause} (tried {outage.age_s:.0f} s ago; --refresh tries again)"
    else:
        try:
            return _Answer(ask(replace(policy, retries=0) if look_up else policy))
        except ChannelError as error:
            if error.unreachable is not None:
                remember_outage(cache, error.unreachable, error.cause)
            elif look_up is None:
                raise
            failure, reason = error, error.cause or error.message
    if not policy.offline:
        # An old index without the package proves nothing: go on to the table, or report the failure.
        with suppress(ChannelError, PackageNotFoundError):
            return _Answer(ask(replace(policy, offline=True)), "cache", reason)
    if look_up is not None:
        candidates, notes = look_up()
        return _Answer(candidates, "table", reason, tuple(notes))
    if failure is not None:
        raise failure
    return _Answer(ask(policy))


def _result(
    request: Request, target: Target, answer: _Answer, corrections: tuple[Correction, ...], *, explained: bool
) -> FindResult:
    candidates = answer.candidates
    every = (*candidates.ranked, *candidates.rejected)
    chosen = pick(candidates.ranked)
    error = choose.refuse_unclear(candidates, request, target)
    if error is not None:
        chosen = None
    elif chosen is None:
        error = choose.nothing_runs(candidates, request, target)
    advice = list(answer.notes) + choose.advise(candidates, request, target)
    if chosen is None:
        other = choose.elsewhere(candidates.name, request, target, channels=request.channels, hosts=candidates.hosts)
        advice += [other] if other else []
        if error is not None:
            advice = [fact for fact in advice if fact not in error.told]
    hosts = candidates.hosts
    explanation = explain(candidates.ranked, request, target, hosts=hosts, advice=advice) if explained else ()
    return FindResult(
        request=request,
        target=target,
        channels=request.channels,
        builds=(*candidates.ranked, *choose.marked(candidates)),
        nearest=tuple(nearest((*candidates.rejected, *candidates.others), request, target)),
        pick=chosen,
        advice=tuple(advice),
        error=error,
        hosts=candidates.hosts,
        corrections=corrections,
        matrix=make_matrix(every),
        explanation=explanation,
        source=answer.source,
        source_reason=answer.reason,
        table_date=candidates.table_date,
    )

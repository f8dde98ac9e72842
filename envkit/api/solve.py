"""From a request to exact records: choose the framework's build, solve around it, check the solution."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any

from envkit.api.choose import Candidates, advise, channels_for, judge_spec, nothing_runs, refuse_unclear
from envkit.api.exact import inquiries_of, lists_builds
from envkit.api.indexes import channel_access
from envkit.api.priority import solve_by_priority
from envkit.api.records import records_of
from envkit.api.session import Session
from envkit.api.spec_channels import has_in, resolve_specs
from envkit.api.spelling import respelt
from envkit.builds.classify import classify
from envkit.builds.dependency import dependency_names
from envkit.builds.families import channel_name
from envkit.builds.knowledge import Knowledge
from envkit.builds.published import table_knows
from envkit.checks.hosts import gpu_kinds
from envkit.checks.lacking import Lacking
from envkit.checks.solution import check_solution
from envkit.engines.base import ChannelAccess
from envkit.errors import ChannelError, EnvkitError, HostCannotRunError, NoAnswerError, UnsatisfiableError
from envkit.models.build import Record, Verdict
from envkit.models.channel import Channel
from envkit.models.codes.advice import CODE_PASSED_OVER, CUDA_UNUSED, GLIBC_ASSUMED
from envkit.models.fact import Advice, Answer
from envkit.models.host import MachineKind, Target
from envkit.models.manifest import Manifest
from envkit.models.problem import cause_of, problem_of
from envkit.models.progress import Reporter
from envkit.models.request import Inquiry, Request
from envkit.models.solve import ChannelPriority, SolveTask
from envkit.plan.around import pass_over, ways_around
from envkit.plan.explain import explain
from envkit.plan.implied import allows_toolkit, imply_cuda
from envkit.plan.pythons import other_pythons
from envkit.plan.rank import rank, solve_candidates
from envkit.plan.solve_task import ASSUMED, framework_of, plan_solve
from envkit.settings import Settings, resolve_channels
from envkit.values import dataclass, field, replace
from envkit.wheels.plan import PipPlan, locked_plan
from envkit.wire.results import reasons_json
from envkit.words.refusals import will_not_run
from envkit.words.say import say
from envkit.words.values import exact_words, plural

_ATTEMPTS = 12
_ELSE = "See what runs with `envkit find`, or pin another version."


@dataclass(frozen=True, slots=True)
class Plan:
    """The packages to install, and why these."""

    records: tuple[Record, ...]  # the exact packages, sorted by name
    channels: tuple[Channel, ...]  # where they come from, with credentials
    virtual_packages: tuple[tuple[str, str, str], ...] = ()  # what the solver was told of the target
    pick: Verdict | None = None  # the framework's build that decided the solution, if any
    choice: Mapping[str, Any] = field(default_factory=dict)  # the same as the manifest keeps it
    advice: tuple[Advice, ...] = ()  # what limits the choice
    explanation: tuple[Answer, ...] = ()  # why this build, why no newer one, why CPU, what to change
    pip: PipPlan | None = None  # what the pip section becomes
    kinds: tuple[MachineKind, ...] = ()  # the machines whose GPUs the packages have to hold code for
    passed: tuple[Lacking, ...] = ()  # better packages that hold no code for a GPU


def solve_request(
    session: Session, inquiry: Inquiry, *, installed: Sequence[Record] = (), passed: Sequence[Lacking] = ()
) -> Plan:
    """Choose the framework's build, solve around it, and check the solution record by record.

    The solution keeps `installed`, the records of the generation before, where it can, and holds none of `passed`. Of
    a request that lists builds (`conda env export`), those that the channels no longer have are solved by their
    versions.
    """
    if not lists_builds(inquiry):
        return _solve(session, inquiry, installed, passed)
    failure: EnvkitError | None = None
    for attempt in inquiries_of(session, inquiry):
        try:
            return _solve(session, attempt, installed, passed)
        except (NoAnswerError, HostCannotRunError) as error:
            failure = failure or error
    raise failure or UnsatisfiableError("nothing satisfies the request", hint="See `envkit find`.")


def _solve(session: Session, inquiry: Inquiry, installed: Sequence[Record], passed: Sequence[Lacking]) -> Plan:
    reporter, target = session.reporter, inquiry.target
    request = imply_cuda(session.dated(inquiry).request)
    inquiry = replace(inquiry, request=request)
    framework = framework_of(request.parsed)
    index = session.index_dir
    request, asked, more, chosen = ask_channels(session, inquiry, framework)
    access = channel_access(asked, session.policy, index)
    candidates: Candidates | None = None
    picks: Sequence[Verdict | None] = [None]
    every: list[Record] = []
    if framework is not None:
        spec = next((text for text, spec in request.pairs if spec.name == framework), framework)
        candidates = _candidates(session, inquiry, spec, access, ordered=chosen)
        every = _records((*candidates.ranked, *candidates.lower, *candidates.rejected, *candidates.others))
        if passed:
            ranked = rank(pass_over(candidates.ranked, passed), request, target)
            candidates = replace(candidates, ranked=tuple(ranked))
        picks = _picks(candidates, inquiry, installed, session.settings.priority)
    alike = _records((*candidates.ranked, *candidates.lower)) if candidates else []
    ways = _ways(session, passed, candidates, inquiry, access)
    reporter.start("solve", " ".join(request.specs))
    failed = _Failed()
    tried: set[tuple[tuple[str, ...], tuple[str, ...]]] = set()
    for pick, loose, way in product(picks, (False, True), ways):
        task = plan_solve(request, target, pick, alike, installed=installed, around=way, loose=loose)
        if (task.specs, task.constraints) in tried:
            continue
        tried.add((task.specs, task.constraints))
        used = (
            access
            if chosen
            else channel_access(_unique((*(_of(asked, task.channels) or asked), *more)), session.policy, index)
        )
        solve = partial(solve_by_priority, session, task, used, pinned=inquiry.pinned)
        unsolved = pick if not loose else None
        if (reason := other_pythons(task, request, every)) is not None:
            failed.spare(solve, unsolved, say(reason))
            continue
        _tell(reporter, task)
        try:
            records, opened = solve()
        except UnsatisfiableError as error:
            failed.add(error, unsolved, _cause(error))
            continue
        refusals = _refusals(records, inquiry, session.knowledge)
        if refusals:
            failed.add(HostCannotRunError(will_not_run(refusals), hint=_ELSE), unsolved, refusals[0])
            continue
        taken = _installed(pick, candidates, records)
        reporter.finish("solve", plural(len(records), "package") + (f", {exact_words(taken)}" if taken else ""))
        advice, explanation = _explained(candidates, request, target, taken, failed.unsolved)
        return Plan(
            records,
            used.channels,
            task.virtual_packages,
            taken,
            choice_of(taken),
            (
                *opened,
                *advice,
                *_unused(inquiry, records),
                *(Advice(CODE_PASSED_OVER, package=r.fn, reason=reasons[0]) for r, reasons in passed),
            ),
            explanation,
            kinds=gpu_kinds(inquiry),
            passed=tuple(passed),
        )
    failure = failed.error()
    if isinstance(failure, UnsatisfiableError):
        _add_respelt(session, failure, inquiry, access)
    raise failure


@dataclass(slots=True)
class _Failed:
    """Attempts that brought no solution."""

    first: EnvkitError | None = None
    spared: Callable[[], object] | None = None  # before the first one: known to fail, and not tried
    unsolved: list[tuple[Verdict, object]] = field(default_factory=list)  # builds, and why they cannot be had

    def add(self, error: EnvkitError, pick: Verdict | None, why: object) -> None:
        """Note that a solve failed."""
        self.first = self.first or error
        self._note(pick, why)

    def spare(self, solve: Callable[[], object], pick: Verdict | None, why: object) -> None:
        """Note that a solve is certain to fail."""
        if self.first is None:
            self.spared = self.spared or solve
        self._note(pick, why)

    def _note(self, pick: Verdict | None, why: object) -> None:
        if pick is not None:
            self.unsolved.append((pick, why))

    def error(self) -> EnvkitError:
        """Return the first error, in the words of the solver."""
        if self.spared is not None:
            try:
                self.spared()
            except UnsatisfiableError as error:
                return error
        return self.first or UnsatisfiableError("nothing satisfies the request", hint="See `envkit find`.")


def _candidates(session: Session, inquiry: Inquiry, spec: str, access: ChannelAccess, *, ordered: bool) -> Candidates:
    """Return the judged builds of the framework that a request is about."""
    try:
        return judge_spec(session, inquiry, spec, access=access, ordered=ordered)
    except ChannelError as error:
        if not inquiry.channels and table_knows(dependency_names([spec])[0], inquiry.target.subdir):
            error.hint = f"{error.hint} `envkit find` answers from its own table; this needs the packages."
        raise


def _records(verdicts: Iterable[Verdict]) -> list[Record]:
    return [verdict.build.record for verdict in verdicts]


def ask_channels(
    session: Session, inquiry: Inquiry, framework: str | None
) -> tuple[Request, tuple[Channel, ...], tuple[Channel, ...], bool]:
    """Return the request with URLs for the channels of its specs, the channels to ask, those of specs among them.

    The last member tells whether the user or a file chose the channels.
    """
    asked, chosen = channels_for(
        [framework] if framework else [],
        explicit=inquiry.channels,
        override=inquiry.override_channels,
        settings=session.settings,
    )
    has = has_in(session, inquiry.target, session.index_dir)
    request, more = resolve_specs(inquiry.request, session.settings, has)
    return request, _unique((*asked, *more)), more, chosen


def _tell(reporter: Reporter, task: SolveTask) -> None:
    reporter.detail(f"specs: {', '.join(task.specs)}")
    reporter.detail(f"constraints: {', '.join(task.constraints) or 'none'}")
    reporter.detail(f"virtual packages: {', '.join(map(' '.join, task.virtual_packages))}")


def _add_respelt(session: Session, failure: EnvkitError, inquiry: Inquiry, access: ChannelAccess) -> None:
    """Add to a failure which names were meant."""
    names = [spec.name for spec in inquiry.request.parsed]
    meant = respelt(session, names, platforms=[inquiry.target.subdir, "noarch"], access=access)
    hints = [f"Did you mean {near} instead of {name}?" for name, near in meant.items()]
    rest = failure.hint or ""
    if len(names) == 1:
        rest = rest.replace(" NAME", f" {meant.get(names[0], names[0])}")
    failure.hint = " ".join([*hints, rest]).strip()


def _picks(
    candidates: Candidates, inquiry: Inquiry, installed: Sequence[Record], priority: ChannelPriority
) -> list[Verdict]:
    """Return the builds to try, in turn: the installed one first, then the best, then those of channels after it."""
    request, target = inquiry.request, inquiry.target
    unclear = refuse_unclear(candidates, request, target)
    if unclear is not None:
        raise unclear
    kept = {(record.url, record.sha256) for record in installed}
    stays = [v for v in candidates.ranked if (v.build.record.url, v.build.record.sha256) in kept and v.tier.runs]
    fitting = [v for v in candidates.ranked if allows_toolkit(request, v.build.build_cuda)]
    picks = [*stays, *solve_candidates(fitting, _ATTEMPTS)]
    if priority == "flexible":
        lower = [v for v in candidates.lower if allows_toolkit(request, v.build.build_cuda)]
        picks += solve_candidates(lower, _ATTEMPTS)
    if not picks:
        raise nothing_runs(candidates, request, target)
    return picks


def _ways(
    session: Session,
    passed: Sequence[Lacking],
    candidates: Candidates | None,
    inquiry: Inquiry,
    access: ChannelAccess,
) -> list[tuple[str, ...]]:
    """Return constraints that keep packages out, to try in turn; the framework's build is chosen without them."""
    chosen = candidates.name if candidates else None
    rest = [one for one in passed if one.record.name != chosen]
    platforms = [inquiry.target.subdir, "noarch"]
    found = [session.engine.query(name, platforms=platforms, access=access) for name in {r.name for r, _ in rest}]
    return ways_around(rest, [record for one in found for record in (*one.matching, *one.others)])


def _explained(
    candidates: Candidates | None,
    request: Request,
    target: Target,
    taken: Verdict | None,
    unsolved: Sequence[tuple[Verdict, object]],
) -> tuple[tuple[Advice, ...], tuple[Answer, ...]]:
    """Return advice and explanation."""
    if candidates is None:
        return (), ()
    advice = advise(candidates, request, target)
    if target.subdir.startswith("linux") and target.glibc is None:
        advice.append(Advice(GLIBC_ASSUMED, version=ASSUMED["glibc"]))
    ranked, hosts = candidates.ranked, candidates.hosts
    return tuple(advice), explain(ranked, request, target, hosts=hosts, advice=advice, taken=taken, unsolved=unsolved)


def _unused(inquiry: Inquiry, records: Sequence[Record]) -> list[Advice]:
    """Return that the toolkit of ``--cuda`` decides nothing. Wheels are chosen after the conda packages."""
    cuda = inquiry.request.cuda
    wheels = inquiry.pip is not None and inquiry.pip.section.requirements
    if not cuda.asks_cuda or wheels or any(classify(one).variant == "cuda" for one in records):
        return []
    return [Advice(CUDA_UNUSED, cuda=str(cuda))]


def _cause(error: EnvkitError) -> str:
    """Return what a solver's reasons end at: a missing or excluded package."""
    problem = problem_of(error)
    return error.message if problem is None else cause_of(problem)


def _refusals(records: Sequence[Record], inquiry: Inquiry, knowledge: Knowledge) -> list[str]:
    """Return why a solution would not run, on any of the machines."""
    found: list[str] = []
    for name, machine in (inquiry.hosts or {"": inquiry.target}).items():
        before = f"{name}: " if name else ""
        refused = check_solution(records, machine, inquiry.request, knowledge)
        found += [f"{before}{r.record.fn}: {say(r.reason)}" for r in refused]
    return found


def _unique(channels: Sequence[Channel]) -> tuple[Channel, ...]:
    found: dict[str, Channel] = {}
    for channel in channels:
        found.setdefault(channel.url, channel)
    return tuple(found.values())


def _of(channels: Sequence[Channel], wanted: Sequence[str]) -> list[Channel]:
    """Return the channels of a plan, in its order."""
    names = {channel_name(channel.url): channel for channel in reversed(channels)}
    return [names[channel_name(text)] for text in wanted if channel_name(text) in names]


def _installed(pick: Verdict | None, candidates: Candidates | None, records: Sequence[Record]) -> Verdict | None:
    """Return the verdict on the record that the solver took: the pin may have left the Python open."""
    if pick is None or candidates is None:
        return None
    taken = {(record.fn, record.channel) for record in records}
    every = (*candidates.ranked, *candidates.lower)
    return next((v for v in every if (v.build.record.fn, v.build.record.channel) in taken), pick)


def choice_of(pick: Verdict | None) -> dict[str, Any]:
    """Return a choice as manifests keep it."""
    if pick is None:
        return {}
    build = pick.build
    return {
        "name": build.record.name,
        "fn": build.record.fn,
        "variant": build.variant,
        "build_cuda": str(build.build_cuda) if build.build_cuda else None,
        "tier": pick.tier.value,
        "reasons": reasons_json(pick.reasons),
    }


def plan_of(manifest: Manifest, settings: Settings) -> Plan:
    """Return the plan that a manifest locks."""
    channels = recorded_channels(manifest, settings)
    pip = locked_plan(manifest)
    return Plan(records_of(manifest), channels, manifest.virtual_packages, choice=manifest.choice, pip=pip)


def recorded_channels(manifest: Manifest, settings: Settings) -> tuple[Channel, ...]:
    """Return the channels of a manifest. Their credentials come from the configuration."""
    configured = {channel.url: channel for channel in resolve_channels(settings.channels, settings)}
    return tuple(configured.get(c.url, c) for c in resolve_channels(manifest.channels, settings))

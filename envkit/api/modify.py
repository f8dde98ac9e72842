"""install, uninstall, upgrade: merge into the recorded request, solve, make the next generation."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from envkit.api.change import changing
from envkit.api.gate import Solve, make_around, plan_around
from envkit.api.held import find_held
from envkit.api.make import Made, Proof
from envkit.api.make_profiles import make_profiles
from envkit.api.profile_here import pool_of
from envkit.api.profile_plan import ProfilePlan, ProfilePlans
from envkit.api.profile_set import plans_for, read_set
from envkit.api.records import records_of
from envkit.api.results import (
    made_profiles_result,
    made_result,
    planned_profiles_result,
    planned_result,
    reused_result,
)
from envkit.api.retarget import keep_target, refuse_loss
from envkit.api.session import Session
from envkit.api.solve import Plan, recorded_channels
from envkit.api.wheels import solve_with_pip, wheels_of, wish_of
from envkit.builds.dependency import dependency_names
from envkit.checks.hosts import common_target
from envkit.checks.lacking import Lacking
from envkit.errors import UnknownEnvironmentError, UsageError
from envkit.layout.generation import read_manifest, resolve
from envkit.layout.pinned import read_pinned
from envkit.layout.volume import Volume, check_name
from envkit.models.build import Record, digest
from envkit.models.changes import ChangeResult, Difference, difference
from envkit.models.channel import Channel
from envkit.models.fact import Advice
from envkit.models.host import Target
from envkit.models.manifest import Manifest, PipPackage, RecordedRequest
from envkit.models.package_state import PackageState, pip_states, states_of
from envkit.models.pip import PipWish, joined_sections, recorded_wish, with_logins
from envkit.models.request import CudaChoice, Inquiry, Request
from envkit.profiles import Profile
from envkit.settings import Settings
from envkit.values import dataclass, field, replace
from envkit.wire.results import target_from_json, target_json

# The merged request, and the installed records and distributions that the solution keeps where it can.
_Merged = tuple[RecordedRequest, Sequence[Record], Sequence[PipPackage]]
_Merge = Callable[[Manifest], _Merged]


@dataclass(frozen=True, slots=True)
class ModifyOptions:
    """Options of a modification, apart from what it changes."""

    channels: tuple[Channel, ...] = ()  # asked before those that the environment was made from
    only_channels: bool = False  # ask no others
    dry_run: bool = False  # only plan
    proof: Proof = "any"  # how much validation it takes to publish
    hosts: Mapping[str, Target] = field(default_factory=dict)  # where it has to run from now on, by name
    pip: PipWish = field(default_factory=PipWish)  # what pip is asked for besides


def install(session: Session, name: str, specs: Sequence[str], options: ModifyOptions) -> ChangeResult:
    """Add packages, or change what is asked of those that were asked for; everything else stays where it can."""
    wanted = Request(tuple(specs))

    def merge(manifest: Manifest) -> _Merged:
        recorded = _with_pip(_with_specs(manifest.request, wanted), options.pip)
        return recorded, records_of(manifest), wheels_of(manifest)

    return _modify(session, name, "install", merge, options)


def uninstall(session: Session, name: str, packages: Sequence[str], options: ModifyOptions) -> ChangeResult:
    """Take packages out of the request, and out of the environment what only they needed."""

    def merge(manifest: Manifest) -> _Merged:
        return _without(manifest, packages), records_of(manifest), wheels_of(manifest)

    return _modify(session, name, "uninstall", merge, options)


def upgrade(session: Session, name: str, specs: Sequence[str], options: ModifyOptions) -> ChangeResult:
    """Take the newest that the request allows: of everything, or of the named packages.

    A bare name keeps what was asked of it; a spec that says more replaces that.
    """
    wanted = Request(tuple(specs))
    names = {spec.name for spec in wanted.parsed}
    changed = Request(tuple(text for text, spec in wanted.pairs if text.strip().lower() != spec.name))

    def merge(manifest: Manifest) -> _Merged:
        wheels = {package.name for package in wheels_of(manifest)}
        unknown = sorted(names - {package.name for package in manifest.packages} - wheels)
        if unknown:
            raise UsageError(
                f"{', '.join(unknown)} is not in {name}", hint=f"Add it with `envkit install -n {name} {unknown[0]}`."
            )
        told = next((text for text, spec in changed.pairs if spec.name in wheels), None)
        if told is not None:
            raise UsageError(
                f"{told}: pip brings that package to {name}", hint=f"envkit install -n {name} --pip REQUIREMENT"
            )
        request = _with_specs(manifest.request, changed)
        stays = [record for record in records_of(manifest) if specs and record.name not in names]
        return request, stays, [package for package in wheels_of(manifest) if specs and package.name not in names]

    return _modify(session, name, "upgrade", merge, options, told=names)


def _modify(
    session: Session,
    name: str,
    verb: str,
    merge: _Merge,
    options: ModifyOptions,
    *,
    told: Collection[str] | None = None,
) -> ChangeResult:
    """Make the generation that follows; with `told`, say what holds those packages back."""
    resolve(session.find_volume(), check_name(name))  # before anything is written
    if _current(session.volume, name).profile is not None:
        return _modify_profiles(session, name, verb, merge, options)
    if options.dry_run:
        following = _following(session, _current(session.volume, name), merge, options)
        held = following.held(session, told)
        return ChangeResult(planned_result(session, name, following.plan), following.difference(name), held)
    with changing(session, name, there=True) as change:
        current = _current(change.volume, name)
        following = _following(session, current, merge, options)
        recorded = following.recorded

        def make(plan: Plan) -> Made | None:
            wheels = plan.pip.packages if plan.pip else ()
            same = digest(plan.records) == current.digest and wheels == wheels_of(current)
            if recorded == current.request and same:
                return None
            return change.make(plan, recorded, target=following.target, verb=verb, proof=options.proof)

        plan, made = make_around(following.plan, make, following.solve, session)
        following = replace(following, plan=plan)
        held = following.held(session, told)
    if made is None:
        return ChangeResult(reused_result(session, current, name=name), following.difference(name), held)
    changed = following.difference(name, made.manifest.number)
    return ChangeResult(made_result(session, name, plan, made), changed, held)


def _modify_profiles(session: Session, name: str, verb: str, merge: _Merge, options: ModifyOptions) -> ChangeResult:
    """Make every profile anew, and publish them together."""
    if options.hosts:
        raise UsageError(
            f"{name} has profiles for the machines that it was made for",
            hint=f"For others make them again: envkit create -n {name} --replace --hosts FILE.",
        )
    if options.dry_run:
        _, plans, changed = _following_profiles(session, resolve(session.volume, name), name, merge, options)
        return ChangeResult(planned_profiles_result(session, name, plans), changed(None))
    with changing(session, name, there=True) as change:
        prefix = resolve(change.volume, name)
        is_new, plans, changed = _following_profiles(session, prefix, name, merge, options)
        if not is_new:
            return ChangeResult(reused_result(session, _current(change.volume, name), name=name), changed(None))
        made = make_profiles(change, plans, verb=verb, proof=options.proof)
    return ChangeResult(made_profiles_result(session, name, plans, made), changed(made[0][1].manifest.number))


def _following_profiles(
    session: Session, prefix: Path, name: str, merge: _Merge, options: ModifyOptions
) -> tuple[bool, ProfilePlans, Callable[[int | None], Difference]]:
    """Return whether anything changes, the profiles that would follow, and what they change in that of the link."""
    news: list[bool] = []
    mains: list[_Following] = []

    def follow(profile: Profile, manifest: Manifest) -> ProfilePlan:
        hosts = pool_of(profile)
        following = _following(session, manifest, merge, replace(options, hosts=hosts))
        wheels = following.plan.pip.packages if following.plan.pip else ()
        news.append((digest(following.plan.records), wheels) != (manifest.digest, wheels_of(manifest)))
        mains.extend([] if manifest.side else [following])
        inquiry = Inquiry(_request(following.recorded), following.target, hosts)
        return ProfilePlan(profile.name, following.plan, inquiry, following.solve, following.recorded)

    old = read_set(prefix)
    plans = plans_for(old, follow)
    is_new = any(news) or any(part.recorded != then.request for part, (_, then) in zip(plans.parts, old, strict=True))
    return is_new, plans, lambda number: mains[0].difference(name, number)


@dataclass(frozen=True, slots=True)
class _Following:
    """The generation that would follow the current one."""

    current: Manifest
    recorded: RecordedRequest
    target: Target
    plan: Plan
    solve: Solve
    pinned: tuple[str, ...]  # the environment's own pins

    def difference(self, name: str, number: int | None = None) -> Difference:
        """Return what it changes in the environment `name`; `number` is its own, once it has one."""
        names = (f"{name}@{self.current.number}", name if number is None else f"{name}@{number}")
        wheels = pip_states(self.plan.pip.packages if self.plan.pip else ())
        return difference(states_of(self.current), [*map(_state, self.plan.records), *wheels], names=names)

    def held(self, session: Session, names: Collection[str] | None) -> tuple[Advice, ...]:
        """Return what holds these packages back, of an empty set those of the request; of None nothing."""
        if names is None:
            return ()
        request = _request(self.recorded)
        asked = names or {spec.name for spec in request.parsed}
        return find_held(session, self.plan, Inquiry(request, self.target, pinned=self.pinned), asked)


def _following(session: Session, current: Manifest, merge: _Merge, options: ModifyOptions) -> _Following:
    recorded, installed, kept = merge(current)
    if options.hosts:
        recorded = _for_hosts(current, recorded, options.hosts)
    request = _request(recorded)
    if recorded.target:
        target = target_from_json(recorded.target)
    else:
        target = keep_target(current, request, Target.from_host(session.host), session.reporter)
    channels = options.channels if options.only_channels else _channels(session.settings, current, options.channels)
    wish = wish_of(recorded, current.name)
    wish = replace(wish, section=with_logins(wish.section, options.pip.section.addresses))
    pinned = () if session.settings.ignores_pins else read_pinned(session.volume.generations / current.generation)
    inquiry = Inquiry(request, target, options.hosts, channels, override_channels=True, pip=wish, pinned=pinned)

    fresh = len(kept) < len(wheels_of(current))  # an upgrade

    def solve(passed: Sequence[Lacking]) -> Plan:
        plan = solve_with_pip(session, inquiry, installed=installed, kept=kept, passed=passed, fresh=fresh)
        refuse_loss(current, request, target, plan.choice)
        return plan

    return _Following(current, recorded, target, plan_around(solve, session), solve, pinned)


def _for_hosts(current: Manifest, recorded: RecordedRequest, hosts: Mapping[str, Target]) -> RecordedRequest:
    """Return the request for the machines of a file; later changes without one keep to what these have in common."""
    target = common_target(hosts)
    if recorded.platform not in {None, target.subdir}:
        raise UsageError(
            f"{current.name} is for {recorded.platform}, the machines of --hosts are {target.subdir}",
            hint="Make another environment for them: envkit create --hosts.",
        )
    return replace(recorded, target=target_json(target))


def _current(volume: Volume, name: str) -> Manifest:
    manifest = read_manifest(resolve(volume, name))
    if manifest is None:
        raise UnknownEnvironmentError(
            f"the generation that {name} points to has no manifest",
            hint=f"See `envkit doctor {name}`; make it again with create --replace.",
        )
    return manifest


def _channels(settings: Settings, manifest: Manifest, given: Sequence[Channel]) -> tuple[Channel, ...]:
    """Return the channels given now, then those of the environment."""
    named = {channel.url: channel for channel in given}
    return (*named.values(), *(c for c in recorded_channels(manifest, settings) if c.url not in named))


def _request(recorded: RecordedRequest) -> Request:
    return Request(
        specs=recorded.specs,
        cuda=CudaChoice.parse(recorded.cuda),
        python=recorded.python,
        prefer="native" if recorded.prefer == "native" else "version",
        channels=recorded.channels or (),
        exclude_newer=recorded.exclude_newer,
    )


def _with_specs(recorded: RecordedRequest, wanted: Request) -> RecordedRequest:
    """Return the request with each spec in the place of the one of the same name, else at the end."""
    replaced = {spec.name: text for text, spec in wanted.pairs}
    merged: dict[str, str] = {}
    for text, spec in _request(recorded).pairs:
        if spec.name not in replaced:
            merged[text] = text
        else:
            merged.setdefault(spec.name, replaced[spec.name])
    for name, text in replaced.items():
        merged.setdefault(name, text)
    return replace(recorded, specs=tuple(merged.values()))


def _without(manifest: Manifest, packages: Sequence[str]) -> RecordedRequest:
    names = {spec.name for spec in Request(tuple(packages)).parsed}
    request = _request(manifest.request)
    wish = wish_of(manifest.request, manifest.name)
    mine = {item.name for item in wish.section.requirements} & names
    names -= mine
    missing = sorted(names - {spec.name for spec in request.parsed})
    if missing:
        needers = sorted(
            p.name for p in manifest.packages if missing[0] in dependency_names(p.record.get("depends", ()))
        )
        raise UsageError(
            f"{', '.join(missing)} was not asked for in {manifest.name}",
            hint=f"It is there because {', '.join(needers[:3])} {'needs' if len(needers) == 1 else 'need'} it."
            if needers
            else f"See `envkit show {manifest.name}`.",
        )
    specs = tuple(text for text, spec in request.pairs if spec.name not in names)
    kept = tuple(item for item in wish.section.requirements if item.name not in mine)
    recorded = recorded_wish(replace(wish, section=replace(wish.section, requirements=kept)))
    if not specs:
        raise UsageError(
            f"nothing would be left in {manifest.name}", hint=f"To remove all of it: envkit remove {manifest.name}."
        )
    return replace(manifest.request, specs=specs, **recorded)


def _with_pip(recorded: RecordedRequest, wanted: PipWish) -> RecordedRequest:
    """Return the request with what pip is asked for besides; a requirement replaces that of the same project."""
    before = wish_of(recorded, "the request")
    named = {item.name for item in wanted.section.requirements if item.name is not None}
    stays = tuple(item for item in before.section.requirements if item.name not in named)
    merged = PipWish(
        joined_sections(replace(before.section, requirements=stays), wanted.section),
        tuple(dict.fromkeys((*before.builds, *wanted.builds))),
        tuple(dict.fromkeys((*before.prefer, *wanted.prefer))),
        local=before.local or wanted.local,
    )
    return replace(recorded, **recorded_wish(merged))


def _state(record: Record) -> PackageState:
    return PackageState(record.name, record.version, record.build, record.size)

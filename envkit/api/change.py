"""install, uninstall, upgrade: merge into the recorded request, solve, make the next generation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from envkit.api.create import NAME_WAIT_S, made_result, planned_result, reused_result, sweep_aloud
from envkit.api.make import make_generation
from envkit.api.retarget import keep_target, refuse_loss
from envkit.api.solve import index_dir, records_of, solve_request
from envkit.builds.dependency import parse_match_spec
from envkit.checks.hosts import common_target
from envkit.engines.base import Engine
from envkit.engines.registry import make_engine
from envkit.errors import UnknownEnvironmentError, UsageError
from envkit.host.detect import detect_host
from envkit.layout import lease
from envkit.layout.generation import read_manifest, resolve
from envkit.layout.lineage import next_origin
from envkit.layout.opening import open_volume
from envkit.layout.volume import Volume, check_name
from envkit.models.build import Record
from envkit.models.changes import ChangeResult, Difference, PackageState, difference
from envkit.models.channel import Channel
from envkit.models.host import Target
from envkit.models.manifest import Manifest, RecordedRequest
from envkit.models.network import NetworkPolicy
from envkit.models.progress import Reporter
from envkit.models.request import CudaChoice, Request
from envkit.models.solution import digest
from envkit.models.wire import target_from_json, target_json
from envkit.settings import Settings, resolve_channels

__all__ = ["ChangeOptions", "install", "uninstall", "upgrade"]


@dataclass(frozen=True, slots=True)
class ChangeOptions:
    """How a change works, apart from what it changes.

    Attributes:
        channels: Channels to ask before those that the environment was made from, with credentials.
        dry_run: Plan only.
        validate: Whether to validate before publishing.
        hosts: Machines by name, all of which it has to run on from now on; none for those it was made for.
    """

    channels: tuple[Channel, ...] = ()
    dry_run: bool = False
    validate: bool = True
    hosts: Mapping[str, Target] = field(default_factory=dict)


_Merge = Callable[[Manifest], tuple[RecordedRequest, list[Record]]]


@dataclass(frozen=True, slots=True)
class _Work:
    """What the three verbs have in common."""

    settings: Settings
    policy: NetworkPolicy
    options: ChangeOptions
    reporter: Reporter
    engine: Engine | None


def install(
    name: str,
    specs: Sequence[str],
    *,
    settings: Settings,
    policy: NetworkPolicy,
    options: ChangeOptions,
    reporter: Reporter,
    engine: Engine | None = None,
) -> ChangeResult:
    """Add packages, or change what is asked of those that were asked for; everything else stays where it can.

    Args:
        name: The environment.
        specs: MatchSpecs; one for a package that is in the request replaces it there.
        settings: Volume and channels.
        policy: How the network may be used.
        options: See `ChangeOptions`.
        reporter: Hears what goes on.
        engine: The solver; the configured one when None.

    Raises:
        EnvkitError: See `envkit.errors`; whatever is raised, the environment is as it was.
    """

    def merge(manifest: Manifest) -> tuple[RecordedRequest, list[Record]]:
        return _with_specs(manifest.request, specs), list(records_of(manifest))

    return _change(name, merge, "install", _Work(settings, policy, options, reporter, engine))


def uninstall(
    name: str,
    packages: Sequence[str],
    *,
    settings: Settings,
    policy: NetworkPolicy,
    options: ChangeOptions,
    reporter: Reporter,
    engine: Engine | None = None,
) -> ChangeResult:
    """Take packages out of the request; what only they needed goes with them.

    Args:
        name: The environment.
        packages: Names of packages that were asked for.
        settings: Volume and channels.
        policy: How the network may be used.
        options: See `ChangeOptions`.
        reporter: Hears what goes on.
        engine: The solver; the configured one when None.

    Raises:
        UsageError: A package was not asked for.
        EnvkitError: See `envkit.errors`; whatever is raised, the environment is as it was.
    """

    def merge(manifest: Manifest) -> tuple[RecordedRequest, list[Record]]:
        return _without(manifest, packages), list(records_of(manifest))

    return _change(name, merge, "uninstall", _Work(settings, policy, options, reporter, engine))


def upgrade(
    name: str,
    specs: Sequence[str] = (),
    *,
    settings: Settings,
    policy: NetworkPolicy,
    options: ChangeOptions,
    reporter: Reporter,
    engine: Engine | None = None,
) -> ChangeResult:
    """Take the newest that the request allows: of everything, or of the named packages.

    Args:
        name: The environment.
        specs: MatchSpecs. A bare name keeps what was asked of it; anything more replaces that. Empty for everything.
        settings: Volume and channels.
        policy: How the network may be used.
        options: See `ChangeOptions`.
        reporter: Hears what goes on.
        engine: The solver; the configured one when None.

    Raises:
        UsageError: A package is not in the environment.
        EnvkitError: See `envkit.errors`; whatever is raised, the environment is as it was.
    """

    def merge(manifest: Manifest) -> tuple[RecordedRequest, list[Record]]:
        names = {_name(spec) for spec in specs}
        unknown = sorted(names - {package.name for package in manifest.packages})
        if unknown:
            raise UsageError(
                f"{', '.join(unknown)} is not in {name}", hint=f"Add it with `envkit install -n {name} {unknown[0]}`."
            )
        request = _with_specs(manifest.request, [spec for spec in specs if spec.strip().lower() != _name(spec)])
        return request, [record for record in records_of(manifest) if specs and record.name not in names]

    return _change(name, merge, "upgrade", _Work(settings, policy, options, reporter, engine))


def _change(name: str, merge: _Merge, verb: str, work: _Work) -> ChangeResult:
    check_name(name)
    volume = open_volume(work.settings.volume, create=False)
    resolve(volume, name)  # before anything is written
    if work.options.dry_run:
        return _next(volume, name, merge, verb, work)
    volume = open_volume(work.settings.volume, create=True)
    with lease.hold(volume, f"{name}.name", reporter=work.reporter, wait_s=NAME_WAIT_S):
        sweep_aloud(volume, work.reporter)
        return _next(volume, name, merge, verb, work)


def _next(volume: Volume, name: str, merge: _Merge, verb: str, work: _Work) -> ChangeResult:
    current = _current(volume, name)
    recorded, installed = merge(current)
    if work.options.hosts:
        recorded = _for_hosts(current, recorded, work.options.hosts)
    host = detect_host()
    request = _request(recorded)
    if recorded.target:
        target = target_from_json(recorded.target)
    else:
        target = keep_target(current, request, Target.from_host(host), work.reporter)
    plan = solve_request(
        request,
        target,
        settings=work.settings,
        channels=_channels(current, work),
        override_channels=True,
        policy=work.policy,
        index=index_dir(volume),
        engine=work.engine or make_engine(work.settings.engine),
        reporter=work.reporter,
        installed=installed,
        hosts=work.options.hosts,
    )
    refuse_loss(current, request, target, plan.choice)
    change = _difference(records_of(current), plan.records, f"{name}@{current.number}", name)
    if work.options.dry_run:
        return ChangeResult(planned_result(volume, name, plan, host), change)
    if recorded == current.request and digest(plan.records) == current.digest:
        return ChangeResult(reused_result(volume, name, current, None, host), change)
    made = make_generation(
        volume,
        name,
        plan,
        recorded,
        target=target,
        origin=next_origin(volume, name, verb),
        policy=work.policy,
        validate=work.options.validate,
        reporter=work.reporter,
        host=host,
    )
    change = _difference(
        records_of(current), plan.records, f"{name}@{current.number}", f"{name}@{made.manifest.number}"
    )
    return ChangeResult(made_result(volume, name, plan, made, host), change)


def _for_hosts(current: Manifest, recorded: RecordedRequest, hosts: Mapping[str, Target]) -> RecordedRequest:
    """The request for the machines of a file; later changes without one keep to what these have in common.

    Raises:
        UsageError: They are of another platform than the environment, or of several.
    """
    target = common_target(hosts)
    if recorded.platform not in {None, target.subdir}:
        raise UsageError(
            f"{current.name} is for {recorded.platform}, the machines of --hosts are {target.subdir}",
            hint="Make another environment for them: envkit create --hosts.",
        )
    return recorded.model_copy(update={"target": target_json(target)})


def _current(volume: Volume, name: str) -> Manifest:
    manifest = read_manifest(resolve(volume, name))
    if manifest is None:
        raise UnknownEnvironmentError(
            f"the generation that {name} points to has no manifest",
            hint=f"See `envkit doctor {name}`; make it again with create --replace.",
        )
    return manifest


def _channels(manifest: Manifest, work: _Work) -> tuple[Channel, ...]:
    """Those given now, then those that the environment was made from. Credentials come from the configuration."""
    configured = {channel.url: channel for channel in resolve_channels(work.settings.channels, work.settings)}
    recorded = [configured.get(c.url, c) for c in resolve_channels(manifest.channels, work.settings)]
    given = {channel.url: channel for channel in work.options.channels}
    return (*given.values(), *(channel for channel in recorded if channel.url not in given))


def _request(recorded: RecordedRequest) -> Request:
    return Request(
        specs=recorded.specs,
        cuda=CudaChoice.parse(recorded.cuda),
        python=recorded.python,
        prefer="native" if recorded.prefer == "native" else "version",
        channels=recorded.channels or (),
    )


def _name(spec: str) -> str:
    return parse_match_spec(spec).name


def _with_specs(request: RecordedRequest, specs: Sequence[str]) -> RecordedRequest:
    """The request with each spec in the place of the one of the same name, else at the end."""
    merged = list(request.specs)
    for spec in specs:
        places = [index for index, old in enumerate(merged) if _name(old) == _name(spec)]
        if places:
            merged[places[0]] = spec
            merged = [old for index, old in enumerate(merged) if index not in places[1:]]
        else:
            merged.append(spec)
    return request.model_copy(update={"specs": tuple(merged)})


def _without(manifest: Manifest, packages: Sequence[str]) -> RecordedRequest:
    names = {_name(package) for package in packages}
    asked = {_name(spec) for spec in manifest.request.specs}
    missing = sorted(names - asked)
    if missing:
        needers = sorted(
            p.name for p in manifest.packages if any(_name(d) == missing[0] for d in p.record.get("depends", ()))
        )
        raise UsageError(
            f"{', '.join(missing)} was not asked for in {manifest.name}",
            hint=f"It is there because {', '.join(needers[:3])} needs it." if needers else "See `envkit show`.",
        )
    specs = tuple(spec for spec in manifest.request.specs if _name(spec) not in names)
    if not specs:
        raise UsageError(
            f"nothing would be left in {manifest.name}", hint=f"To remove all of it: envkit remove {manifest.name}."
        )
    return manifest.request.model_copy(update={"specs": specs})


def _difference(before: Sequence[Record], after: Sequence[Record], old: str, new: str) -> Difference:
    return difference(map(_state, before), map(_state, after), names=(old, new))


def _state(record: Record) -> PackageState:
    return PackageState(record.name, record.version, record.build, record.size)

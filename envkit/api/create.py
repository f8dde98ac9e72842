"""create: solve, claim, fetch, link, validate, publish. Whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from envkit.api.make import Made, make_generation
from envkit.api.retarget import keep_target, refuse_loss
from envkit.api.solve import Plan, index_dir, plan_of, records_of, solve_request
from envkit.api.validate import recognise, record_validation, validate_prefix
from envkit.checks.publish import check_publishable
from envkit.engines.base import Engine
from envkit.engines.registry import make_engine
from envkit.errors import EnvironmentExistsError, IntegrityError, UsageError
from envkit.host.detect import detect_host
from envkit.host.overrides import VARIABLES
from envkit.host.wire import host_to_json
from envkit.installer.cache import cached
from envkit.layout import gc, lease
from envkit.layout.generation import active, is_moved, read_manifest, refuse_foreign
from envkit.layout.lease import NAME_WAIT_S
from envkit.layout.lineage import next_origin
from envkit.layout.opening import check_writable, open_volume
from envkit.layout.validations import latest_validation, read_validation
from envkit.layout.volume import Volume, check_name
from envkit.models.channel import Channel
from envkit.models.host import Host, Target
from envkit.models.manifest import Manifest, RecordedRequest
from envkit.models.network import NetworkPolicy
from envkit.models.progress import Reporter
from envkit.models.report import Finding, Report
from envkit.models.request import Request
from envkit.models.results import CreateResult
from envkit.models.wire import target_json
from envkit.settings import Settings

__all__ = [
    "NAME_WAIT_S",
    "CreateOptions",
    "create_environment",
    "made_result",
    "planned_result",
    "reused_result",
    "sweep_aloud",
]


@dataclass(frozen=True, slots=True)
class CreateOptions:
    """How ``create`` works, apart from what it makes.

    Attributes:
        channels: Channels that the user or a recipe named, with their credentials.
        override_channels: Use only these.
        dry_run: Plan only.
        replace: Make a new generation for a name that was made from another request.
        validate: Whether to validate before publishing.
        require_gpu: Refuse to publish what was not validated on a GPU.
        variables: Variables that the environment sets (environment.yml).
        source_sha256: Digest of the file that the request was read from.
        hosts: Machines by name, all of which it has to run on; the target is what they have in common.
    """

    channels: tuple[Channel, ...] = ()
    override_channels: bool = False
    dry_run: bool = False
    replace: bool = False
    validate: bool = True
    require_gpu: bool = False
    variables: tuple[tuple[str, str], ...] = ()
    source_sha256: str | None = None
    hosts: Mapping[str, Target] = field(default_factory=dict)


def create_environment(
    name: str,
    request: Request,
    *,
    target: Target | None,
    settings: Settings,
    policy: NetworkPolicy,
    options: CreateOptions,
    reporter: Reporter,
    engine: Engine | None = None,
) -> CreateResult:
    """Make an environment on the configured volume, or return the one that was made from the same request.

    Args:
        name: The environment's name.
        request: What it should hold.
        target: For which machine; this host when None.
        settings: Volume and channels.
        policy: How the network may be used.
        options: See `CreateOptions`.
        reporter: Hears what goes on.
        engine: The solver; the configured one when None.

    Raises:
        EnvkitError: See `envkit.errors`; whatever is raised, the volume is as it was.
    """
    check_name(name)
    if options.require_gpu and not options.validate:
        raise UsageError("--require-gpu and --no-validate exclude each other", hint="Give one of them.")
    engine = engine or make_engine(settings.engine)
    host = detect_host()
    target = target or Target.from_host(host)
    recorded = _recorded(request, target, options)
    volume = Volume(settings.volume)
    before = _replaced(volume, name, recorded, options)
    if before is not None:
        target = keep_target(before, request, target, reporter)
    plan: Plan | None = None
    if options.dry_run or not volume.volume_file.exists():
        if not options.dry_run:
            check_writable(volume)
        existing = _existing(volume, name, recorded, options)
        if existing is not None and options.dry_run:
            return reused_result(volume, name, existing, None, host, dry_run=True)
        # A volume is made only for a request that has an answer.
        plan = _plan(request, target, settings, policy, options, reporter, engine, volume)
        if before is not None:
            refuse_loss(before, request, target, plan.choice)
        if options.dry_run:
            return planned_result(volume, name, plan, host)
    volume = open_volume(settings.volume, create=True)
    with lease.hold(volume, f"{name}.name", reporter=reporter, wait_s=NAME_WAIT_S):
        sweep_aloud(volume, reporter)
        existing = _existing(volume, name, recorded, options)
        if existing is not None and is_moved(existing, volume.generations / existing.generation):
            reporter.note(f"{name} was made at {existing.prefix}: its packages are linked anew here")
            plan = plan_of(existing, settings)
        elif existing is not None:
            report = _revalidate(volume, existing, host, options, reporter)
            refusal = check_publishable(name, report, require_gpu=options.require_gpu) if options.require_gpu else None
            if refusal is not None:
                raise refusal
            return reused_result(volume, name, existing, report, host)
        if plan is None:
            plan = _plan(request, target, settings, policy, options, reporter, engine, volume)
            if before is not None:
                refuse_loss(before, request, target, plan.choice)
        made = make_generation(
            volume,
            name,
            plan,
            recorded,
            target=target,
            origin=next_origin(volume, name, "create --replace" if options.replace else "create"),
            policy=policy,
            validate=options.validate,
            require_gpu=options.require_gpu,
            reporter=reporter,
            host=host,
        )
    return made_result(volume, name, plan, made, host)


def sweep_aloud(volume: Volume, reporter: Reporter) -> None:
    """Remove what runs that died have left behind, and say so."""
    swept = gc.remove_leftovers(volume)
    if swept:
        reporter.note(f"removed {swept} leftovers of runs that died")


def _plan(
    request: Request,
    target: Target,
    settings: Settings,
    policy: NetworkPolicy,
    options: CreateOptions,
    reporter: Reporter,
    engine: Engine,
    volume: Volume,
) -> Plan:
    return solve_request(
        request,
        target,
        settings=settings,
        channels=options.channels,
        override_channels=options.override_channels,
        policy=policy,
        index=index_dir(volume),
        engine=engine,
        reporter=reporter,
        hosts=options.hosts,
    )


def _recorded(request: Request, target: Target, options: CreateOptions) -> RecordedRequest:
    return RecordedRequest(
        specs=request.specs,
        channels=request.channels or None,
        cuda=str(request.cuda),
        python=request.python,
        platform=target.subdir,
        prefer=request.prefer,
        target=target_json(target) if target.described else {},
        variables=dict(options.variables),
        source_sha256=options.source_sha256,
    )


def _replaced(volume: Volume, name: str, recorded: RecordedRequest, options: CreateOptions) -> Manifest | None:
    """What ``--replace`` makes again: the environment of that name, where the same was asked, for whatever machine."""
    prefix = active(volume, name) if options.replace else None
    try:
        manifest = read_manifest(prefix) if prefix is not None else None
    except IntegrityError:
        return None
    return manifest if manifest is not None and not _differing(manifest.request, recorded) - {"target"} else None


def _differing(one: RecordedRequest, other: RecordedRequest) -> set[str]:
    """Names of the members in which two requests differ."""
    first, second = (
        request.model_dump(exclude={"source_sha256"}) | {"target": _described(request.target)}
        for request in (one, other)
    )
    return {member for member in first if first[member] != second[member]}


def _described(target: Mapping[str, Any]) -> Mapping[str, Any]:
    """What flags or variables said of a machine. What was detected beside it is another on every host."""
    described = target.get("described", ())
    if not set(described) <= set(target):
        return target  # machines of a file: all of it was said
    return {"described": sorted(described), **{member: target[member] for member in described}}


def _existing(volume: Volume, name: str, recorded: RecordedRequest, options: CreateOptions) -> Manifest | None:
    """The manifest of the environment of that name, when it was made from the same request.

    Raises:
        EnvironmentExistsError: It was made from another one, or not by envkit.
    """
    if not volume.root.is_dir():
        return None
    refuse_foreign(volume, name)
    prefix = active(volume, name)
    manifest = read_manifest(prefix) if prefix is not None and not options.replace else None
    if manifest is None or not _differing(manifest.request, recorded):
        return manifest
    raise EnvironmentExistsError(_unlike(name, manifest.request, recorded), hint=_instead(name, manifest, recorded))


# What a request holds beside what `_words` tells, in words.
_MEMBERS = {"prefer": "--prefer", "platform": "the platform", "variables": "the variables", "pip": "the pip packages"}


def _unlike(name: str, old: RecordedRequest, new: RecordedRequest) -> str:
    """In what an environment and a request of the same name differ."""
    before, now = _words(old), _words(new)
    told = f": {before}; now asked: {now}" if before != now else ""
    differing = _differing(old, new)
    parts = [
        f"{words} ({_member(old, member)}; now {_member(new, member)})"
        for member, words in _MEMBERS.items()
        if member in differing and not (member == "platform" and "target" in differing)
    ]
    if "target" in differing:
        parts.append(f"the machine ({_machine(old)}; now {_machine(new)})")
    also = f"{'; also ' if told else ' in '}{', '.join(parts)}" if parts else ""
    if not told and parts:
        return f"{name} is there and was made from the same packages, but differs{also}"
    return f"{name} is there and was made from another request{told}{also}"


def _instead(name: str, manifest: Manifest, recorded: RecordedRequest) -> str:
    """What to do instead: what would keep the rest as it is comes first."""
    differing = _differing(manifest.request, recorded)
    if differing == {"specs"}:
        return (
            f"Change it with `envkit install -n {name}`, `upgrade` or `uninstall`, choose another name with -n, or "
            "make a new generation of just this request with --replace."
        )
    if differing <= {"target", "platform"} and (why := _by_override(manifest.request, recorded)):
        return f"{why} Or choose another name with -n, or make a new generation of {name} with --replace."
    return f"Choose another name with -n, or make a new generation of {name} with --replace."


def _by_override(old: RecordedRequest, new: RecordedRequest) -> str:
    """Where a CONDA_OVERRIDE_* variable may be what differs: what to do about it; else nothing."""
    then, now = (set(request.target.get("described", ())) for request in (old, new))
    variables = ", ".join(VARIABLES[member] for member in sorted(then | now) if member in VARIABLES)
    if not variables:
        return ""
    if then and not now:
        return f"When it was made, {variables} or a flag described the machine; give the same again."
    if now and not then:
        return f"It was made for the host as detected, and now {variables} or a flag describes another: leave it out."
    return f"Give {variables}, or the flags, as they were."


def _member(request: RecordedRequest, member: str) -> str:
    value = getattr(request, member)
    if isinstance(value, dict):
        return ", ".join(f"{key}={text}" for key, text in sorted(value.items())) or "none"
    return ", ".join(value) or "none" if isinstance(value, tuple) else str(value)


def _machine(request: RecordedRequest) -> str:
    """The machine of a request, by what was described of it."""
    target = request.target
    if not target:
        return "the host as detected"
    words = {
        "driver_version": f"driver {target.get('driver_version')}",
        "driver_cuda": f"CUDA {target.get('driver_cuda')}",
        "gpus": "GPUs "
        + (", ".join(str(g.get("name") or g.get("compute_capability")) for g in target["gpus"]) or "none")
        if "gpus" in target
        else "",
        "glibc": f"glibc {target.get('glibc')}",
        "microarch": str(target.get("microarch")),
        "osx": f"macOS {target.get('osx')}",
    }
    described = [words[member] for member in target.get("described", ()) if words.get(member)]
    return ", ".join([str(target.get("subdir")), *described])


def _words(request: RecordedRequest) -> str:
    words = [" ".join(request.specs)]
    words += [f"--cuda {request.cuda}"] if request.cuda != "auto" else []
    words += [f"--python {request.python}"] if request.python else []
    words += [f"-c {channel}" for channel in request.channels or ()]
    return " ".join(words)


def _revalidate(
    volume: Volume, manifest: Manifest, host: Host, options: CreateOptions, reporter: Reporter
) -> Report | None:
    """What was validated on this kind of host is not validated again; another kind is."""
    known = read_validation(volume, manifest.generation, host.fingerprint)
    if known is not None and known.verdict != "fail":
        recognise(volume, known)
        return Report(
            prefix=manifest.prefix,
            fingerprint=known.fingerprint,
            needs_gpu=known.needs_gpu,
            findings=tuple(Finding(**finding) for finding in known.findings),
            created=known.created,
            seconds=known.seconds,
        )
    if not options.validate:
        return None
    last = latest_validation(volume, manifest.generation)
    if last is not None and last.fingerprint != host.fingerprint:
        here, there = (machine_words(facts) for facts in (host_to_json(host), last.host))
        reporter.note(f"{manifest.name} was last validated on another kind of host ({there}; here {here}): again")
    report = validate_prefix(Path(manifest.prefix), manifest=manifest, host=host, reporter=reporter)
    record_validation(volume, manifest.generation, report, host)
    return report


def machine_words(facts: Mapping[str, Any]) -> str:
    """What a validation depends on of a machine, from its facts as JSON."""
    driver = facts.get("driver_version")
    gpus = {f"{gpu.get('name')} ({gpu.get('compute_capability')})" for gpu in facts.get("gpus") or ()}
    machine = f"{facts.get('subdir')}, {facts.get('microarch') or 'unknown processor'}, glibc {facts.get('glibc')}"
    return f"driver {driver}, {', '.join(sorted(gpus)) or 'no GPU'}" if driver else f"no driver, {machine}"


def planned_result(volume: Volume, name: str, plan: Plan, host: Host) -> CreateResult:
    """What would be made."""
    missing = [record for record in plan.records if not cached(volume, record)]
    return CreateResult(
        environment=name,
        volume=str(volume.root),
        path=str(volume.root / name),
        prefix=None,
        reused=False,
        records=plan.records,
        cached=len(plan.records) - len(missing),
        download_bytes=sum(record.size or 0 for record in missing),
        pick=plan.pick,
        advice=plan.advice,
        explanation=plan.explanation,
        host=host,
        dry_run=True,
    )


def made_result(volume: Volume, name: str, plan: Plan, made: Made, host: Host) -> CreateResult:
    """What was made."""
    return CreateResult(
        environment=name,
        volume=str(volume.root),
        path=str(volume.root / name),
        prefix=str(made.prefix),
        reused=False,
        records=plan.records,
        cached=len(plan.records) - len(made.fetched),
        download_bytes=sum(record.size or 0 for record in made.fetched),
        pick=plan.pick,
        advice=(*plan.advice, *made.notes),
        explanation=plan.explanation,
        report=made.report,
        host=host,
        skipped_link_scripts=made.manifest.skipped_link_scripts,
    )


def reused_result(
    volume: Volume, name: str, manifest: Manifest, report: Report | None, host: Host, *, dry_run: bool = False
) -> CreateResult:
    """What was there already."""
    records = records_of(manifest)
    return CreateResult(
        environment=name,
        volume=str(volume.root),
        path=str(volume.root / name),
        prefix=None if dry_run else manifest.prefix,
        reused=True,
        records=records,
        cached=len(records),
        report=report,
        host=host,
        dry_run=dry_run,
        skipped_link_scripts=manifest.skipped_link_scripts,
    )

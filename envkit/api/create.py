"""create: solve, claim, fetch, link, validate, publish. Whole or not at all."""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import envkit
from envkit.api.solve import Plan, index_dir, solve_request
from envkit.api.validate import recognise, record_validation, run_environment, validate_prefix
from envkit.checks.publish import check_publishable
from envkit.engines.base import Engine
from envkit.engines.registry import make_engine
from envkit.errors import (
    EnvironmentExistsError,
    UsageError,
)
from envkit.host.detect import detect
from envkit.host.wire import host_to_json
from envkit.installer.bytecode import link_bytecode
from envkit.installer.cache import cached
from envkit.installer.fetch import fetch
from envkit.installer.link import link, link_scripts
from envkit.layout import gc, lease
from envkit.layout.generation import active, claim, publish, read_manifest, refuse_foreign, write_manifest
from envkit.layout.space import check_space
from envkit.layout.validations import latest_validation, read_validation
from envkit.layout.volume import Volume, check_name, check_writable, open_volume
from envkit.models.build import Record
from envkit.models.channel import Channel
from envkit.models.host import Host, Target
from envkit.models.manifest import LockedPackage, Manifest, RecordedRequest
from envkit.models.network import NetworkPolicy
from envkit.models.progress import Reporter
from envkit.models.report import Finding, Report
from envkit.models.request import Request
from envkit.models.results import CreateResult
from envkit.models.solution import digest
from envkit.models.wire import target_json
from envkit.settings import Settings

__all__ = ["CreateOptions", "create"]

_WAIT_S = 3600.0
_ATTEMPTS = 12


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


def create(
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
    host = detect()
    target = target or Target.from_host(host)
    recorded = _recorded(request, target, options)
    volume = Volume(settings.volume)
    plan: Plan | None = None
    if options.dry_run or not volume.volume_file.exists():
        if not options.dry_run:
            check_writable(volume)
        existing = _existing(volume, name, recorded, options)
        if existing is not None and options.dry_run:
            return _reused(volume, name, existing, None, host, dry_run=True)
        # A volume is made only for a request that has an answer.
        plan = _plan(request, target, settings, policy, options, reporter, engine, volume)
        if options.dry_run:
            return _result(volume, name, plan, host, prefix=None, report=None, dry_run=True)
    volume = open_volume(settings.volume, create=True)
    with lease.hold(volume, f"{name}.name", reporter=reporter, wait_s=_WAIT_S):
        swept = gc.sweep(volume)
        if swept:
            reporter.note(f"removed {swept} leftovers of runs that died")
        existing = _existing(volume, name, recorded, options)
        if existing is not None:
            report = _revalidate(volume, existing, host, options, reporter)
            refusal = check_publishable(name, report, require_gpu=options.require_gpu) if options.require_gpu else None
            if refusal is not None:
                raise refusal
            return _reused(volume, name, existing, report, host)
        if plan is None:
            plan = _plan(request, target, settings, policy, options, reporter, engine, volume)
        return _make(volume, name, plan, recorded, target, host, policy, options, reporter)


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
    if manifest is None or manifest.request == recorded:
        return manifest
    raise EnvironmentExistsError(
        f"{name} is there and was made from another request: {_words(manifest.request)}; now asked: {_words(recorded)}",
        hint=f"Choose another name with -n, or make a new generation of {name} with --replace.",
    )


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
        here, there = (_machine_words(facts) for facts in (host_to_json(host), last.host))
        reporter.note(f"{manifest.name} was last validated on another kind of host ({there}; here {here}): again")
    report = validate_prefix(Path(manifest.prefix), manifest=manifest, host=host, reporter=reporter)
    record_validation(volume, manifest.generation, report, host)
    return report


def _machine_words(facts: Mapping[str, Any]) -> str:
    driver = facts.get("driver_version")
    gpus = {f"{gpu.get('name')} ({gpu.get('compute_capability')})" for gpu in facts.get("gpus") or ()}
    machine = f"{facts.get('subdir')}, {facts.get('microarch') or 'unknown processor'}, glibc {facts.get('glibc')}"
    return f"driver {driver}, {', '.join(sorted(gpus)) or 'no GPU'}" if driver else f"no driver, {machine}"


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


def _make(
    volume: Volume,
    name: str,
    plan: Plan,
    recorded: RecordedRequest,
    target: Target,
    host: Host,
    policy: NetworkPolicy,
    options: CreateOptions,
    reporter: Reporter,
) -> CreateResult:
    """From a plan to a published environment."""
    missing = [record for record in plan.records if not cached(volume, record)]
    check_space(volume, missing)
    with claim(volume, name) as prefix:
        fetch(volume, plan.records, channels=plan.channels, policy=policy, reporter=reporter)
        link(volume, plan.records, prefix, requested=recorded.specs, reporter=reporter, platform=target.subdir)
        runs_here = target.subdir == host.subdir
        if runs_here:
            env = run_environment(prefix, os.environ, name=name)
            link_bytecode(volume, plan.records, prefix, env=env, reporter=reporter)
        manifest = _manifest(name, prefix, plan, recorded, target, host, volume)
        write_manifest(manifest)
        report: Report | None = None
        if options.validate and runs_here:
            report = validate_prefix(prefix, manifest=manifest, host=host, reporter=reporter)
        refusal = check_publishable(name, report, require_gpu=options.require_gpu)
        if refusal is not None:
            raise refusal
        if report is not None:
            record_validation(volume, prefix.name, report, host)
        publish(volume, name, prefix)
    return _result(volume, name, plan, host, prefix=prefix, report=report, missing=missing)


def _manifest(
    name: str,
    prefix: Path,
    plan: Plan,
    recorded: RecordedRequest,
    target: Target,
    host: Host,
    volume: Volume,
) -> Manifest:
    return Manifest(
        envkit_version=envkit.__version__,
        name=name,
        generation=prefix.name,
        prefix=str(prefix),
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        request=recorded,
        channels=tuple(channel.url for channel in plan.channels),
        virtual_packages=plan.virtual_packages,
        digest=digest(plan.records),
        packages=tuple(
            LockedPackage(
                name=r.name,
                version=r.version,
                build=r.build,
                subdir=r.subdir,
                fn=r.fn,
                url=r.url,
                channel=r.channel,
                sha256=r.sha256,
                size=r.size,
                record=dict(r.raw),
            )
            for r in plan.records
        ),
        target=target_json(target),
        fingerprint=host.fingerprint,
        choice=dict(plan.choice),
        skipped_link_scripts=link_scripts(volume, plan.records),
    )


def _result(
    volume: Volume,
    name: str,
    plan: Plan,
    host: Host,
    *,
    prefix: Path | None,
    report: Report | None,
    missing: Sequence[Record] | None = None,
    dry_run: bool = False,
) -> CreateResult:
    missing = missing if missing is not None else [r for r in plan.records if not cached(volume, r)]
    return CreateResult(
        environment=name,
        volume=str(volume.root),
        path=str(volume.root / name),
        prefix=str(prefix) if prefix else None,
        reused=False,
        records=plan.records,
        cached=len(plan.records) - len(missing),
        download_bytes=sum(record.size or 0 for record in missing),
        pick=plan.pick,
        advice=plan.advice,
        explanation=plan.explanation,
        report=report,
        host=host,
        dry_run=dry_run,
        skipped_link_scripts=link_scripts(volume, plan.records) if prefix else (),
    )


def _reused(
    volume: Volume, name: str, manifest: Manifest, report: Report | None, host: Host, *, dry_run: bool = False
) -> CreateResult:
    records = tuple(
        Record(
            name=p.name,
            version=p.version,
            build=p.build,
            subdir=p.subdir,
            fn=p.fn,
            url=p.url,
            channel=p.channel,
            size=p.size,
            sha256=p.sha256,
            raw=p.record,
        )
        for p in manifest.packages
    )
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

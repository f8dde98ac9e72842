"""Create an environment from exact packages, without solving."""

from __future__ import annotations

import dataclasses

from envkit.api.change import changing
from envkit.api.create import CreateOptions
from envkit.api.lookup import complete_digests
from envkit.api.make import CLEAN_WAIT_S
from envkit.api.results import made_result, planned_result, reused_result
from envkit.api.session import Session
from envkit.api.solve import Plan
from envkit.api.validate import revalidate
from envkit.builds.record import record_from_repodata
from envkit.checks.locks import best_part, candidates_of, misfit_of
from envkit.errors import EnvironmentExistsError, HostCannotRunError, UsageError
from envkit.installer.cache import cached, read_index
from envkit.installer.fetch import fetch
from envkit.layout import lease
from envkit.layout.gc import CACHE
from envkit.layout.generation import known_manifest
from envkit.layout.volume import check_name
from envkit.models.build import Record, digest
from envkit.models.codes.inputs import LOCK_PART
from envkit.models.fact import Advice
from envkit.models.host import MachineKind, Target
from envkit.models.inputs import Locked, LockFile
from envkit.models.manifest import RecordedRequest
from envkit.models.results import CreateResult
from envkit.wire.results import target_json
from envkit.words.refusals import lock_misfits
from envkit.words.say import say
from envkit.words.values import article, join

_SHOWN = 6
_LOCK_AGAIN = "Lock for this platform too (envkit lock --for cpu/linux-64, pixi lock, conda-lock -p linux-64)."
_ANYWAY = "--no-validate installs it all the same; `envkit find` shows what runs."


def choose_part(session: Session, lock: LockFile, target: Target, *, environment: str | None, any_host: bool) -> Locked:
    """Return the part of a lock file to install on a machine; say which, where there are several.

    With `any_host`, one that would not run is taken too, if it is for the platform.

    Raises:
        UsageError: The file has no environment of that name, or has several and none is named.
        HostCannotRunError: Nothing in it runs there. Nothing was downloaded.
    """
    parts = candidates_of(lock, environment)
    names = list(dict.fromkeys(part.environment for part in lock.parts))
    if not parts:
        known = ", ".join(names)
        if environment is None:
            raise UsageError(
                f"{lock.path} is {article(lock.format)} of several environments: {known}", hint="--environment NAME"
            )
        raise UsageError(f"{lock.path} has no environment {environment!r}", hint=f"It has {known}.")
    part, misfits = best_part(parts, target)
    if part is None and any_host:
        part = next((misfit.part for misfit in misfits if not misfit.foreign and misfit.refusals), None)
    if part is None:
        foreign = bool(misfits) and all(not misfit.refusals for misfit in misfits)
        raise HostCannotRunError(lock_misfits(lock, misfits, target), hint=_LOCK_AGAIN if foreign else _ANYWAY)
    if len(lock.parts) > 1:
        others = [f"{p.environment} for {p.platform}" for p in lock.parts if p is not part]
        platform = part.platform or target.subdir
        fact = Advice(LOCK_PART, path=lock.path, format_name=lock.format, environment=part.environment,
                      platform=platform, others=others)  # fmt: skip
        session.reporter.note(say(fact))
    return part


def create_locked(
    session: Session, name: str, locked: Locked, options: CreateOptions, *, target: Target | None = None
) -> CreateResult:
    """Make an environment of exactly the packages that a file lists. Nothing is solved.

    Without any proof, packages that would not run are installed too.

    Raises:
        EnvkitError: See `envkit.errors`; whatever is raised, the volume is as it was.
    """
    check_name(name)
    if locked.distributions:
        named = join([item.name for item in locked.distributions], most=_SHOWN)
        raise UsageError(
            f"{locked.path} also locks {len(locked.distributions)} Python distributions ({named}); envkit installs "
            "conda packages only",
            hint="Lock without them, or install these into a venv on top.",
        )
    target = target or Target.from_host(session.host)
    if options.proof != "none":
        _refuse(locked, target)
    locked = complete_digests(session, locked)
    bare, channels = locked.records, locked.channels
    if options.dry_run:
        return planned_result(session, name, Plan(bare, channels))
    with changing(session, name) as change:
        volume, reporter = change.volume, session.reporter
        existing = known_manifest(change.prefix) if change.prefix is not None and not options.replace else None
        if change.prefix is not None and not options.replace:
            if existing is not None and existing.digest == digest(bare):
                return reused_result(
                    session, existing, name=name, report=revalidate(session, existing, validate=options.proof != "none")
                )
            raise EnvironmentExistsError(
                f"{name} is there already", hint="Choose another name with -n, or make a new generation with --replace."
            )
        # From here on `clean` removes no package that was fetched.
        with lease.hold(volume, CACHE, shared=True, reporter=reporter, wait_s=CLEAN_WAIT_S):
            missing = tuple(record for record in bare if not cached(volume, record))
            fetch(volume, bare, channels=channels, policy=session.policy, reporter=reporter)
            # A file that names no dependencies is completed by the packages' own index.
            records = tuple(read_index(volume, _told_by_package(record)) for record in bare)
            if options.proof != "none":
                _refuse(dataclasses.replace(locked, records=records), target)
            kinds = (MachineKind((), target),) if options.proof != "none" and target.gpus else ()
            plan = Plan(records, channels, kinds=kinds)
            specs = tuple(f"{r.name}=={r.version}={r.build}" for r in records)
            described = target_json(target) if target.described else {}
            recorded = RecordedRequest(
                specs=specs,
                platform=target.subdir,
                target=described,
                variables=dict(options.variables),
                source_sha256=options.source_sha256,
            )
            made = change.make(plan, recorded, target=target, verb="create --file", proof=options.proof)
    return made_result(session, name, plan, dataclasses.replace(made, fetched=missing))


def _told_by_package(record: Record) -> Record:
    """Return a record without what its package tells better than a lock file.

    Formats leave out whether a noarch package is Python's, and conda-lock.yml has one spec for each dependency only.
    """
    raw = {key: value for key, value in record.raw.items() if key != "noarch"}
    if "build_number" not in raw:
        raw.pop("depends", None)
    return record_from_repodata(raw, record.fn, record.channel, record.subdir)


def _refuse(locked: Locked, target: Target) -> None:
    """Refuse what would not run on the target."""
    misfit = misfit_of(locked, target)
    if misfit is not None:
        lock = LockFile(locked.path, "file", (locked,))
        raise HostCannotRunError(lock_misfits(lock, [misfit], target), hint=_ANYWAY)

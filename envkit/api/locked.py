"""Create an environment from exact packages, without solving."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from envkit.api.change import changing
from envkit.api.create import CreateOptions
from envkit.api.export import pinned_requirement
from envkit.api.lookup import complete_digests
from envkit.api.make import CLEAN_WAIT_S
from envkit.api.results import made_result, planned_result, reused_result
from envkit.api.session import Session
from envkit.api.solve import Plan
from envkit.api.validate import revalidate
from envkit.api.wheels import refuse_elsewhere, wheels_of
from envkit.builds.record import record_from_repodata
from envkit.checks.hosts import common_target, group_kinds
from envkit.checks.locks import best_part, candidates_of, misfit_of
from envkit.errors import EnvironmentExistsError, HostCannotRunError, RecipeError, UsageError
from envkit.installer.cache import cached, read_index
from envkit.installer.fetch import fetch
from envkit.layout import lease
from envkit.layout.gc import CACHE
from envkit.layout.generation import known_manifest
from envkit.layout.volume import Volume, check_name
from envkit.models.build import Record, digest
from envkit.models.codes.inputs import LOCK_PART
from envkit.models.fact import Advice
from envkit.models.host import MachineKind, Target
from envkit.models.inputs import Locked, LockFile
from envkit.models.manifest import Manifest, PipPackage, RecordedRequest
from envkit.models.pip import PipWish
from envkit.models.results import CreateResult
from envkit.values import dataclass, replace
from envkit.wheels.locked import package_of
from envkit.wheels.plan import PipPlan
from envkit.wire.results import target_json
from envkit.words.refusals import lock_misfits
from envkit.words.say import say
from envkit.words.values import article, join, plural

_SHOWN = 6
_LOCK_AGAIN = "Lock for this platform too (envkit lock --for cpu/linux-64, pixi lock, conda-lock -p linux-64)."
_ANYWAY = (
    "Lock for this kind of machine too (`envkit lock` with another --for: a100/550, cpu), or take it all the same with "
    "--no-validate."
)


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
    session: Session,
    name: str,
    locked: Locked,
    options: CreateOptions,
    *,
    machines: Mapping[str, Target] | None = None,
    wish: PipWish | None = None,
) -> CreateResult:
    """Make an environment of exactly the packages that a file lists. Nothing is solved.

    It has to run on each of `machines`; None for this one. Without any proof, packages that would not run are installed
    too. `wish` says which distributions may be built from source, and whether folders of this machine may be installed.

    Raises:
        EnvkitError: See `envkit.errors`; whatever is raised, the volume is as it was.
    """
    check_name(name)
    machines = machines or {"": Target.from_host(session.host)}
    part = plan_part(session, locked, options, machines=machines, wish=wish)
    if options.dry_run:
        return planned_result(session, name, part.plan)
    with changing(session, name) as change:
        existing = known_manifest(change.prefix) if change.prefix is not None and not options.replace else None
        if change.prefix is not None and not options.replace:
            if existing is not None and part.is_in(existing):
                return reused_result(
                    session, existing, name=name, report=revalidate(session, existing, validate=options.proof != "none")
                )
            raise taken(name)
        # From here on `clean` removes no package that was fetched.
        with lease.hold(change.volume, CACHE, shared=True, reporter=session.reporter, wait_s=CLEAN_WAIT_S):
            plan, recorded, missing = settle_part(session, change.volume, part, options)
            made = change.make(plan, recorded, target=part.target, verb="create --file", proof=options.proof)
    return made_result(session, name, plan, replace(made, fetched=missing))


def taken(name: str) -> EnvironmentExistsError:
    """Return the refusal of a name that holds something else than a file lists."""
    return EnvironmentExistsError(
        f"{name} is there already", hint="Choose another name with -n, or make a new generation with --replace."
    )


@dataclass(frozen=True, slots=True)
class LockedPart:
    """Exact packages that are to be installed for machines."""

    locked: Locked  # the packages, each with a digest
    plan: Plan  # the same, as far as the file tells
    target: Target  # what the machines have in common
    kinds: tuple[MachineKind, ...]
    wish: PipWish  # which distributions may be built, and whether folders may be installed

    @property
    def wheels(self) -> tuple[PipPackage, ...]:
        """The Python distributions."""
        return self.plan.pip.packages if self.plan.pip else ()

    def is_in(self, manifest: Manifest) -> bool:
        """Return whether a generation holds exactly these packages."""
        return (manifest.digest, wheels_of(manifest)) == (digest(self.locked.records), self.wheels)


def plan_part(
    session: Session,
    locked: Locked,
    options: CreateOptions,
    *,
    machines: Mapping[str, Target],
    wish: PipWish | None = None,
) -> LockedPart:
    """Check a part of a lock file before anything is downloaded; see `create_locked`."""
    kinds = (MachineKind((), machines[""]),) if "" in machines else group_kinds(machines)
    if options.proof != "none":
        _refuse(locked, kinds)
    wheels = _wheels(locked, wish or PipWish())
    locked = complete_digests(session, locked)
    on_gpu = tuple(kind for kind in kinds if kind.target.gpus) if options.proof != "none" else ()
    plan = Plan(locked.records, locked.channels, pip=PipPlan(wheels) if wheels else None, kinds=on_gpu)
    target = common_target(machines)
    refuse_elsewhere(plan, target, session.host)
    return LockedPart(locked, plan, target, kinds, wish or PipWish())


def settle_part(
    session: Session, volume: Volume, part: LockedPart, options: CreateOptions
) -> tuple[Plan, RecordedRequest, tuple[Record, ...]]:
    """Fetch the packages of a part, and complete what the file says of them by their own index.

    Returns:
        The plan, the request for its manifest, and the packages that were not in the cache.
    """
    bare, target = part.locked.records, part.target
    missing = tuple(record for record in bare if not cached(volume, record))
    caches = session.settings.caches
    fetch(volume, bare, channels=part.locked.channels, policy=session.policy, reporter=session.reporter, caches=caches)
    records = tuple(read_index(volume, _told_by_package(record)) for record in bare)
    if options.proof != "none":
        _refuse(replace(part.locked, records=records), part.kinds)
    recorded = RecordedRequest(
        specs=tuple(f"{r.name}=={r.version}={r.build}" for r in records),
        platform=target.subdir,
        target=target_json(target) if target.described else {},
        variables=dict(options.variables),
        source_sha256=options.source_sha256,
        pip=tuple(map(pinned_requirement, part.wheels)),
        pip_builds=part.wish.builds,
        pip_local=part.wish.local,
    )
    return replace(part.plan, records=records), recorded, missing


def _wheels(locked: Locked, wish: PipWish) -> tuple[PipPackage, ...]:
    """Return the distributions of a lock, by name; refuse what nobody asked to be built, before anything is fetched."""
    found = sorted((package_of(item, locked.path) for item in locked.distributions), key=lambda package: package.name)
    if found and not any(record.name == "python" for record in locked.records):
        raise RecipeError(
            f"{locked.path} locks {len(found)} Python distributions, and no Python", hint="Lock a python with them."
        )
    folders = [package.name for package in found if package.kind == "directory" and not wish.local]
    if folders:
        raise UsageError(
            f"{locked.path} locks folders of the machine that wrote it: {join(folders, most=_SHOWN)}",
            hint="Lock without them, or let them be installed from here with --allow-local.",
        )
    built = [p.name for p in found if p.kind in {"sdist", "vcs"} and not wish.may_build(p.name)]
    if built:
        raise UsageError(
            f"{locked.path} locks {plural(len(built), 'distribution')} without a wheel, to be built from source: "
            f"{join(built, most=_SHOWN)}",
            hint=f"Let them be built: {' '.join(f'--allow-build {name}' for name in built[:_SHOWN])}"
            f"{' (or all)' if len(built) > _SHOWN else ''}. Or lock versions that have a wheel.",
        )
    return tuple(found)


def _told_by_package(record: Record) -> Record:
    """Return a record without what its package tells better than a lock file.

    Formats leave out whether a noarch package is Python's, and conda-lock.yml has one spec for each dependency only.
    """
    raw = {key: value for key, value in record.raw.items() if key != "noarch"}
    if "build_number" not in raw:
        raw.pop("depends", None)
    return record_from_repodata(raw, record.fn, record.channel, record.subdir)


def _refuse(locked: Locked, kinds: Sequence[MachineKind]) -> None:
    """Refuse what would not run on one of the machines. Each is judged alone: its driver is not that of the others."""
    for kind in kinds:
        misfit = misfit_of(locked, kind.target)
        if misfit is not None:
            lock = LockFile(locked.path, "file", (locked,))
            raise HostCannotRunError(lock_misfits(lock, [misfit], kind.target), hint=_ANYWAY)

"""Create profiles of the parts of a lock file: for each machine the part that runs best on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from envkit.api.change import Change, changing
from envkit.api.create import CreateOptions
from envkit.api.locked import LockedPart, choose_part, create_locked, plan_part, settle_part, taken
from envkit.api.make import CLEAN_WAIT_S
from envkit.api.make_profiles import make_profiles
from envkit.api.profile_here import profile_here
from envkit.api.profile_plan import ProfilePlan, ProfilePlans
from envkit.api.profile_set import read_set
from envkit.api.profiles import name_profiles
from envkit.api.results import made_profiles_result, planned_profiles_result, reused_result
from envkit.api.session import Session
from envkit.api.solve import Plan
from envkit.api.validate import revalidate
from envkit.checks.driver import wants_cuda
from envkit.checks.hosts import common_target, group_kinds
from envkit.checks.lacking import Lacking
from envkit.checks.profiles import framework_builds
from envkit.errors import HostCannotRunError
from envkit.layout import lease
from envkit.layout.gc import CACHE
from envkit.layout.generation import read_manifest
from envkit.models.host import MachineKind, Target
from envkit.models.inputs import Locked, LockFile
from envkit.models.manifest import RecordedRequest
from envkit.models.pip import PipWish
from envkit.models.request import Inquiry, Request
from envkit.models.results import CreateResult


def create_for_machines(
    session: Session,
    lock: LockFile,
    named: tuple[str, str | None],
    options: CreateOptions,
    *,
    hosts: Mapping[str, Target],
    wish: PipWish,
) -> CreateResult:
    """Make an environment of a lock file for several machines; profiles, where one part does not run on all.

    Args:
        session: Settings and services.
        lock: The file.
        named: The environment, and the one of the file if only that counts.
        options: How.
        hosts: The machines by name.
        wish: See `envkit.api.locked.create_locked`.

    Raises:
        HostCannotRunError: Nothing in the file runs on one of the machines.
    """
    name, environment = named
    groups: dict[int, dict[str, Target]] = {}
    for kind in group_kinds(hosts):
        try:
            part = choose_part(session, lock, kind.target, environment=environment, any_host=False)
        except HostCannotRunError as error:
            error.message = f"for {kind.names[0]}: {error.message}"
            raise
        _refuse_cpu(session, lock, part, kind)
        number = next(n for n, one in enumerate(lock.parts) if one is part)
        groups.setdefault(number, {}).update(dict.fromkeys(kind.names, kind.target))
    if len(groups) == 1:
        [(number, group)] = groups.items()
        return create_locked(session, name, lock.parts[number], options, machines=group, wish=wish)
    planned = [
        (plan_part(session, lock.parts[number], options, machines=group, wish=wish), group)
        for number, group in groups.items()
    ]
    if options.dry_run:
        empty = RecordedRequest(specs=())
        plans = [_plan(part.plan, empty, group) for part, group in planned]
        return planned_profiles_result(session, name, ProfilePlans(name_profiles(session.knowledge, plans)))
    with changing(session, name) as change:
        if change.prefix is not None and not options.replace:
            return _reused(session, change, change.prefix, [part for part, _ in planned], options)
        with lease.hold(change.volume, CACHE, shared=True, reporter=session.reporter, wait_s=CLEAN_WAIT_S):
            settled = []
            for locked, group in planned:
                plan, recorded, _ = settle_part(session, change.volume, locked, options)
                settled.append(_plan(plan, recorded, group))
            profiles = ProfilePlans(name_profiles(session.knowledge, settled))
            made = make_profiles(change, profiles, verb="create --file", proof=options.proof)
    return made_profiles_result(session, name, profiles, made)


def _refuse_cpu(session: Session, lock: LockFile, part: Locked, kind: MachineKind) -> None:
    """Refuse a part without CUDA for a machine with a GPU, where the file has parts with CUDA for others."""
    if not wants_cuda(kind.target) or _has_cuda(session, part) or not any(_has_cuda(session, p) for p in lock.parts):
        return
    raise HostCannotRunError(
        f"for {kind.names[0]}: of what {lock.path} locks, only builds for the CPU run there ({part.environment})",
        hint="Lock for this machine, too, or leave it out of --hosts.",
    )


def _has_cuda(session: Session, part: Locked) -> bool:
    return any(build.variant == "cuda" for build in framework_builds(part.records, session.knowledge))


def _plan(plan: Plan, recorded: RecordedRequest, group: Mapping[str, Target]) -> ProfilePlan:
    def solve(_: Sequence[Lacking]) -> Plan:
        return plan

    inquiry = Inquiry(Request(recorded.specs), common_target(group), group)
    return ProfilePlan("", plan, inquiry, solve, recorded)


def _reused(
    session: Session, change: Change, prefix: Path, parts: Sequence[LockedPart], options: CreateOptions
) -> CreateResult:
    """Return this machine's profile of what is there, if that holds exactly these parts."""
    main = read_manifest(prefix)
    if main is None or main.profile is None:
        raise taken(change.name)
    there = [manifest for _, manifest in read_set(prefix)]
    if len(there) != len(parts) or not all(any(part.is_in(one) for one in there) for part in parts):
        raise taken(change.name)
    try:
        here = read_manifest(profile_here(session, prefix, change.name)) or main
    except HostCannotRunError:
        here = main
    report = revalidate(session, here, validate=options.proof != "none")
    return reused_result(session, here, name=change.name, report=report)

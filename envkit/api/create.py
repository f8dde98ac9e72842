"""create: an environment from a request, or the one that was made from the same request before."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from envkit.api.change import changing
from envkit.api.profile_here import existing_profile, keep_machines
from envkit.api.profile_plan import ProfilePlans
from envkit.api.results import (
    made_profiles_result,
    made_result,
    planned_profiles_result,
    planned_result,
    reused_result,
)
from envkit.api.session import Session
from envkit.checks.hosts import group_kinds
from envkit.checks.lacking import Lacking
from envkit.checks.requests import requests_differ
from envkit.errors import EnvironmentExistsError, EnvkitError, HostCannotRunError, NoAnswerError
from envkit.layout.generation import active, is_moved, known_manifest, read_manifest, refuse_foreign
from envkit.layout.opening import check_writable
from envkit.layout.volume import Volume, check_name
from envkit.models.manifest import Manifest, RecordedRequest
from envkit.models.pip import recorded_wish
from envkit.models.request import Inquiry
from envkit.models.results import CreateResult
from envkit.values import dataclass, replace
from envkit.wire.results import target_json
from envkit.words.requests import instead_words, unlike_words

if TYPE_CHECKING:
    from envkit.api.make import Made, Proof
    from envkit.api.solve import Plan
    from envkit.models.probe import Level


@dataclass(frozen=True, slots=True)
class CreateOptions:
    """Options of ``create``, apart from what it makes."""

    dry_run: bool = False  # only plan
    download_only: bool = False  # with `dry_run`: fetch what was planned into the cache, too
    replace: bool = False  # make a new generation for a name that was made from another request
    proof: Proof = "any"  # how much validation it takes to publish
    variables: tuple[tuple[str, str], ...] = ()  # variables that the environment sets (environment.yml)
    source_sha256: str | None = None  # digest of the file that the request was read from
    level: Level = "framework"  # how thoroughly to validate, now and later
    alone: bool = False  # one generation for all machines, never profiles


def create_environment(session: Session, name: str, inquiry: Inquiry, options: CreateOptions) -> CreateResult:
    """Make an environment on the session's volume, or return the one that was made from the same request.

    Raises:
        EnvkitError: See `envkit.errors`; whatever is raised, the volume is as it was.
    """
    check_name(name)
    volume = session.volume
    if options.replace and not inquiry.hosts:
        inquiry = keep_machines(session, name, inquiry)
    recorded = _recorded(inquiry, options)
    before = _replaced(volume, name, recorded) if options.replace else None
    if before is not None:
        from envkit.api.retarget import keep_target

        target = keep_target(before, inquiry.request, inquiry.target, session.reporter)
        inquiry = replace(inquiry, target=target)
    plan: Plan | ProfilePlans | None = None
    if options.dry_run or not volume.volume_file.exists():
        if not options.dry_run:
            check_writable(volume, named=session.volume_is_named)
        existing = _existing(session, name, recorded, inquiry, options)
        if existing is not None and options.dry_run:
            return reused_result(session, existing, name=name, dry_run=True)
        # A volume is made only for a request that has an answer.
        plan = _planned(session, inquiry, before, options)
        if options.download_only:
            from envkit.api.make import fill_cache

            check_writable(volume, named=session.volume_is_named)
            for each in [part.plan for part in plan.parts] if isinstance(plan, ProfilePlans) else [plan]:
                fill_cache(session, each)
        if options.dry_run:
            return _planned_result(session, name, plan)
    with changing(session, name) as change:
        existing = _existing(session, name, recorded, inquiry, options)
        if existing is not None and not is_moved(existing, change.volume.generations / existing.generation):
            return _reused(session, name, existing, options)
        if existing is not None:
            session.reporter.note(f"{name} was made at {existing.prefix}: its packages are linked anew here")
            plan = _plan_of(session, existing, change.prefix)
        from envkit.api.gate import make_around

        verb = "create --replace" if options.replace else "create"
        plan = plan or _planned(session, inquiry, before, options)
        if isinstance(plan, ProfilePlans):
            from envkit.api.make_profiles import make_profiles

            made = make_profiles(change, plan, verb=verb, proof=options.proof)
            return made_profiles_result(session, name, plan, made)

        def make(plan: Plan) -> Made:
            return change.make(plan, recorded, target=inquiry.target, verb=verb, proof=options.proof)

        plan, one = make_around(plan, make, partial(_solve, session, inquiry, before), session)
    return made_result(session, name, plan, one)


def _planned(
    session: Session, inquiry: Inquiry, before: Manifest | None, options: CreateOptions
) -> Plan | ProfilePlans:
    """Plan one generation for all machines of an inquiry; where there is none, profiles."""
    from envkit.api.gate import plan_around

    kinds = group_kinds(inquiry.hosts)
    platforms = {kind.target.subdir for kind in kinds}
    several = len(kinds) > 1 and not options.alone
    first: EnvkitError | None = None
    if len(platforms) < 2 or not several:
        try:
            return plan_around(partial(_solve, session, inquiry, before), session)
        except (NoAnswerError, HostCannotRunError) as error:
            if not several:
                raise
            first = error
    from envkit.api.profiles import plan_profiles

    plans = plan_profiles(session, inquiry, recorded=lambda part: _recorded(part, options), first=first)
    if len(plans.parts) > 1:
        return plans
    return plans.parts[0].plan


def _plan_of(session: Session, existing: Manifest, prefix: Path | None) -> Plan | ProfilePlans:
    """Return the plan of what is there, with all profiles."""
    if existing.profile is not None and prefix is not None:
        from envkit.api.profile_set import profile_set

        return profile_set(session, prefix)
    from envkit.api.solve import plan_of

    return plan_of(existing, session.settings)


def _planned_result(session: Session, name: str, plan: Plan | ProfilePlans) -> CreateResult:
    return (
        planned_profiles_result(session, name, plan)
        if isinstance(plan, ProfilePlans)
        else planned_result(session, name, plan)
    )


def _solve(session: Session, inquiry: Inquiry, before: Manifest | None, passed: Sequence[Lacking]) -> Plan:
    if inquiry.pip is None or not inquiry.pip.section:  # then nothing of pip and uv is loaded
        from envkit.api.solve import solve_request

        plan = solve_request(session, inquiry, passed=passed)
    else:
        from envkit.api.wheels import solve_with_pip

        plan = solve_with_pip(session, inquiry, passed=passed)
    if before is not None:
        from envkit.api.retarget import refuse_loss

        refuse_loss(before, inquiry.request, inquiry.target, plan.choice)
    return plan


def _recorded(inquiry: Inquiry, options: CreateOptions) -> RecordedRequest:
    request, target = inquiry.request, inquiry.target
    return RecordedRequest(
        specs=request.specs,
        channels=request.channels or None,
        cuda=str(request.cuda),
        python=request.python,
        platform=target.subdir,
        prefer=request.prefer,
        exclude_newer=request.exclude_newer,
        target=target_json(target) if target.described else {},
        **recorded_wish(inquiry.pip),
        variables=dict(options.variables),
        source_sha256=options.source_sha256,
        level=options.level,
    )


def _replaced(volume: Volume, name: str, recorded: RecordedRequest) -> Manifest | None:
    """Return what ``--replace`` makes again: the environment, if the request is the same but for the machine."""
    manifest = known_manifest(active(volume, name))
    return manifest if manifest is not None and not requests_differ(manifest.request, recorded) - {"target"} else None


def _existing(
    session: Session, name: str, recorded: RecordedRequest, inquiry: Inquiry, options: CreateOptions
) -> Manifest | None:
    """Return the manifest of the environment of that name, if it was made from the same request.

    Of profiles it is that of this machine's.
    """
    volume = session.volume
    if not volume.root.is_dir():
        return None
    refuse_foreign(volume, name)
    prefix = active(volume, name)
    manifest = read_manifest(prefix) if prefix is not None and not options.replace else None
    if manifest is not None and manifest.profile is not None:
        return existing_profile(session, name, manifest, recorded, inquiry)
    if manifest is not None and requests_differ(manifest.request, recorded):
        then = manifest.request
        raise EnvironmentExistsError(unlike_words(name, then, recorded), hint=instead_words(name, then, recorded))
    return manifest


def _reused(session: Session, name: str, manifest: Manifest, options: CreateOptions) -> CreateResult:
    from envkit.api.publish import check_publishable
    from envkit.api.validate import revalidate

    report = revalidate(session, manifest, validate=options.proof != "none")
    refusal = check_publishable(name, report, require_gpu=True) if options.proof == "gpu" else None
    if refusal is not None:
        raise refusal
    return reused_result(session, manifest, name=name, report=report)

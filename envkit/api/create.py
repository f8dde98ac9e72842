"""create: an environment from a request, or the one that was made from the same request before."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from envkit.api.change import changing
from envkit.api.publish import check_publishable
from envkit.api.results import made_result, planned_result, reused_result
from envkit.api.session import Session
from envkit.api.validate import revalidate
from envkit.checks.lacking import Lacking
from envkit.checks.requests import requests_differ
from envkit.errors import EnvironmentExistsError
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
    """How ``create`` works, apart from what it makes."""

    dry_run: bool = False  # only plan
    download_only: bool = False  # with `dry_run`: fetch what was planned into the cache, too
    replace: bool = False  # make a new generation for a name that was made from another request
    proof: Proof = "any"  # how much validation it takes to publish
    variables: tuple[tuple[str, str], ...] = ()  # variables that the environment sets (environment.yml)
    source_sha256: str | None = None  # digest of the file that the request was read from
    level: Level = "framework"  # how thoroughly to validate, now and later


def create_environment(session: Session, name: str, inquiry: Inquiry, options: CreateOptions) -> CreateResult:
    """Make an environment on the session's volume, or return the one that was made from the same request.

    Raises:
        EnvkitError: See `envkit.errors`; whatever is raised, the volume is as it was.
    """
    check_name(name)
    recorded = _recorded(inquiry, options)
    volume = session.volume
    before = _replaced(volume, name, recorded) if options.replace else None
    if before is not None:
        from envkit.api.retarget import keep_target

        target = keep_target(before, inquiry.request, inquiry.target, session.reporter)
        inquiry = replace(inquiry, target=target)
    plan: Plan | None = None
    if options.dry_run or not volume.volume_file.exists():
        if not options.dry_run:
            check_writable(volume, named=session.volume_is_named)
        existing = _existing(volume, name, recorded, options)
        if existing is not None and options.dry_run:
            return reused_result(session, existing, name=name, dry_run=True)
        # A volume is made only for a request that has an answer.
        from envkit.api.gate import plan_around

        plan = plan_around(partial(_solve, session, inquiry, before), session)
        if options.download_only:
            from envkit.api.make import fill_cache

            check_writable(volume, named=session.volume_is_named)
            fill_cache(session, plan)
        if options.dry_run:
            return planned_result(session, name, plan)
    with changing(session, name) as change:
        existing = _existing(change.volume, name, recorded, options)
        if existing is not None and not is_moved(existing, change.volume.generations / existing.generation):
            return _reused(session, name, existing, options)
        if existing is not None:
            session.reporter.note(f"{name} was made at {existing.prefix}: its packages are linked anew here")
            from envkit.api.solve import plan_of

            plan = plan_of(existing, session.settings)
        from envkit.api.gate import make_around, plan_around

        verb = "create --replace" if options.replace else "create"

        def make(plan: Plan) -> Made:
            return change.make(plan, recorded, target=inquiry.target, verb=verb, proof=options.proof)

        solve = partial(_solve, session, inquiry, before)
        plan, made = make_around(plan or plan_around(solve, session), make, solve, session)
    return made_result(session, name, plan, made)


def _solve(session: Session, inquiry: Inquiry, before: Manifest | None, passed: Sequence[Lacking]) -> Plan:
    from envkit.api.retarget import refuse_loss
    from envkit.api.wheels import solve_with_pip

    plan = solve_with_pip(session, inquiry, passed=passed)
    if before is not None:
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


def _existing(volume: Volume, name: str, recorded: RecordedRequest, options: CreateOptions) -> Manifest | None:
    """Return the manifest of the environment of that name, if it was made from the same request."""
    if not volume.root.is_dir():
        return None
    refuse_foreign(volume, name)
    prefix = active(volume, name)
    manifest = read_manifest(prefix) if prefix is not None and not options.replace else None
    if manifest is not None and requests_differ(manifest.request, recorded):
        then = manifest.request
        raise EnvironmentExistsError(unlike_words(name, then, recorded), hint=instead_words(name, then, recorded))
    return manifest


def _reused(session: Session, name: str, manifest: Manifest, options: CreateOptions) -> CreateResult:
    report = revalidate(session, manifest, validate=options.proof != "none")
    refusal = check_publishable(name, report, require_gpu=True) if options.proof == "gpu" else None
    if refusal is not None:
        raise refusal
    return reused_result(session, manifest, name=name, report=report)

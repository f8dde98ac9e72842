"""Results of the verbs that make environments: planned, made, or there already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from envkit.api.records import records_of
from envkit.api.session import Session
from envkit.host.wire import host_to_json
from envkit.installer.cache import cached
from envkit.models.build import Record
from envkit.models.host import MachineKind
from envkit.models.manifest import Manifest
from envkit.models.pool import ProfileInfo
from envkit.models.report import Report
from envkit.models.results import CreateResult
from envkit.profiles import facts_of
from envkit.values import replace
from envkit.wire.results import target_json

if TYPE_CHECKING:
    from envkit.api.make import Made
    from envkit.api.profile_plan import ProfilePlan, ProfilePlans
    from envkit.api.solve import Plan


def _result(session: Session, name: str, records: tuple[Record, ...], missing: Sequence[Record] = ()) -> CreateResult:
    root = session.volume.root
    return CreateResult(
        environment=name,
        volume=str(root),
        path=str(root / name),
        prefix=None,
        reused=False,
        records=records,
        cached=len(records) - len(missing),
        download_bytes=sum(record.size or 0 for record in missing),
        host=session.host,
    )


def planned_result(session: Session, name: str, plan: Plan) -> CreateResult:
    """Return the result of a dry run."""
    missing = [record for record in plan.records if not cached(session.volume, record)]
    found = _result(session, name, plan.records, missing)
    return replace(
        found,
        pick=plan.pick,
        advice=plan.advice,
        explanation=plan.explanation,
        passed_over=plan.passed,
        dry_run=True,
        pip=plan.pip.packages if plan.pip else (),
    )


def made_result(session: Session, name: str, plan: Plan, made: Made) -> CreateResult:
    """Return the result of a new generation."""
    return replace(
        _result(session, name, plan.records, made.fetched),
        prefix=str(made.prefix),
        pick=made.pick,
        advice=(*plan.advice, *made.notes),
        explanation=plan.explanation,
        passed_over=plan.passed,
        report=made.report,
        pip=made.manifest.pip.packages if made.manifest.pip else (),
        skipped_link_scripts=made.manifest.skipped_link_scripts,
    )


def planned_profiles_result(session: Session, name: str, plans: ProfilePlans) -> CreateResult:
    """Return the result of a dry run of several profiles."""
    here = _here(session, [part.kinds for part in plans.parts])
    infos = []
    for number, part in enumerate(plans.parts):
        missing = [record for record in part.plan.records if not cached(session.volume, record)]
        infos.append(_info(part, None, is_main=part is plans.main, here=number == here, missing=missing))
    shown = plans.parts[here] if here is not None else plans.main
    each = {record.sha256 or record.url: record for part in plans.parts for record in part.plan.records}
    missing = [record for record in each.values() if not cached(session.volume, record)]
    result = planned_result(session, name, shown.plan)
    size = sum(record.size or 0 for record in missing)
    return replace(result, profiles=tuple(infos), machines=plans.matrix, download_bytes=size)


def made_profiles_result(
    session: Session, name: str, plans: ProfilePlans, made: Sequence[tuple[ProfilePlan, Made]]
) -> CreateResult:
    """Return the result of new profiles: that of this machine's, or of the one that the link names."""
    main = next(one for one in made if not one[1].manifest.side)
    here = _here(session, [part.kinds for part, _ in made])
    infos = tuple(
        _info(part, one, is_main=part is main[0], here=number == here, missing=one.fetched)
        for number, (part, one) in enumerate(made)
    )
    part, one = made[here] if here is not None else main
    fetched = {record.url: record for _, each in made for record in each.fetched}
    result = made_result(session, name, part.plan, replace(one, fetched=tuple(fetched.values())))
    return replace(result, cached=len(one.manifest.packages) - len(one.fetched), profiles=infos, machines=plans.matrix)


def _here(session: Session, kinds: Sequence[Sequence[MachineKind]]) -> int | None:
    """Return which profile is for machines like this one; None if none is."""
    here = facts_of(host_to_json(session.host))
    facts = [[facts_of(target_json(kind.target)) for kind in each] for each in kinds]
    return next((number for number, each in enumerate(facts) if here in each), None)


def _info(part: ProfilePlan, made: Made | None, *, is_main: bool, here: bool, missing: Sequence[Record]) -> ProfileInfo:
    return ProfileInfo(
        name=part.name,
        prefix=str(made.prefix) if made else None,
        records=part.plan.records,
        kinds=part.kinds,
        is_main=is_main,
        here=here,
        pick=made.pick if made else part.plan.pick,
        download_bytes=sum(record.size or 0 for record in missing),
        validated=made.report.verdict if made and made.report else None,
    )


def reused_result(
    session: Session, manifest: Manifest, *, name: str, report: Report | None = None, dry_run: bool = False
) -> CreateResult:
    """Return the result of a request for what exists."""
    return replace(
        _result(session, name, records_of(manifest)),
        prefix=None if dry_run else manifest.prefix,
        reused=True,
        report=report,
        pip=manifest.pip.packages if manifest.pip else (),
        dry_run=dry_run,
        skipped_link_scripts=manifest.skipped_link_scripts,
    )

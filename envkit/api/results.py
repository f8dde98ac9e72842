"""Results of the verbs that make environments: planned, made, or there already."""

from __future__ import annotations

from envkit.api.make import Made
from envkit.api.session import Session
from envkit.api.solve import Plan, records_of
from envkit.installer.cache import cached
from envkit.models.manifest import Manifest
from envkit.models.report import Report
from envkit.models.results import CreateResult

__all__ = ["made_result", "planned_result", "reused_result"]


def planned_result(session: Session, name: str, plan: Plan) -> CreateResult:
    """Return the result of a dry run."""
    missing = [record for record in plan.records if not cached(session.volume, record)]
    return CreateResult(
        environment=name,
        volume=str(session.volume.root),
        path=str(session.volume.root / name),
        prefix=None,
        reused=False,
        records=plan.records,
        cached=len(plan.records) - len(missing),
        download_bytes=sum(record.size or 0 for record in missing),
        pick=plan.pick,
        advice=plan.advice,
        explanation=plan.explanation,
        host=session.host,
        dry_run=True,
    )


def made_result(session: Session, name: str, plan: Plan, made: Made) -> CreateResult:
    """Return the result of a new generation."""
    return CreateResult(
        environment=name,
        volume=str(session.volume.root),
        path=str(session.volume.root / name),
        prefix=str(made.prefix),
        reused=False,
        records=plan.records,
        cached=len(plan.records) - len(made.fetched),
        download_bytes=sum(record.size or 0 for record in made.fetched),
        pick=plan.pick,
        advice=(*plan.advice, *made.notes),
        explanation=plan.explanation,
        report=made.report,
        host=session.host,
        skipped_link_scripts=made.manifest.skipped_link_scripts,
    )


def reused_result(
    session: Session, manifest: Manifest, *, name: str, report: Report | None = None, dry_run: bool = False
) -> CreateResult:
    """Return the result of a request for what exists."""
    records = records_of(manifest)
    return CreateResult(
        environment=name,
        volume=str(session.volume.root),
        path=str(session.volume.root / name),
        prefix=None if dry_run else manifest.prefix,
        reused=True,
        records=records,
        cached=len(records),
        report=report,
        host=session.host,
        dry_run=dry_run,
        skipped_link_scripts=manifest.skipped_link_scripts,
    )

"""Results of the verbs that make environments: planned, made, or there already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from envkit.api.records import records_of
from envkit.api.session import Session
from envkit.installer.cache import cached
from envkit.models.build import Record
from envkit.models.manifest import Manifest
from envkit.models.report import Report
from envkit.models.results import CreateResult
from envkit.values import replace

if TYPE_CHECKING:
    from envkit.api.make import Made
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

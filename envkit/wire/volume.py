"""Documents of the verbs that keep a volume."""

from __future__ import annotations

from typing import Any

from envkit.models.care import BootstrapResult, Checkup, CleanResult
from envkit.models.changes import (
    ChangeResult,
    Difference,
    GenerationInfo,
    History,
    RemoveResult,
    SwitchResult,
)
from envkit.models.package_state import PackageState
from envkit.models.volume import ShareResult, VolumeReport
from envkit.values import asdict, replace
from envkit.wire.results import SCHEMA_VERSION, create_json, finding_json, members
from envkit.words.say import say


def _package(state: PackageState | None) -> dict[str, Any] | None:
    return None if state is None else members(state, "version", "build", "size_bytes")


def _difference(result: Difference) -> dict[str, Any]:
    return {
        **members(result, "before", "after"),
        "changes": [
            {**members(c, "name", "kind"), "before": _package(c.before), "after": _package(c.after)}
            for c in result.changes
        ],
        **members(result, "same", "before_bytes", "after_bytes"),
    }


def difference_json(result: Difference) -> dict[str, Any]:
    """Return the document of ``diff --json``."""
    return {"schema_version": SCHEMA_VERSION, **_difference(result)}


def change_json(result: ChangeResult, host: dict[str, Any]) -> dict[str, Any]:
    """Return the document of ``install``, ``uninstall`` and ``upgrade``: that of ``create``, and what changes."""
    held = [{"code": advice.code, "text": say(advice)} for advice in result.held]
    return {**create_json(result.created, host), "difference": _difference(result.difference), "held": held}


def _generation(info: GenerationInfo) -> dict[str, Any]:
    return {
        **members(info, "number", "generation", "prefix", "created", "verb", "parent", "active", "specs", "packages"),
        "difference": _difference(info.difference) if info.difference else None,
        "validated": info.validated,
        **({"profiles": list(info.profiles)} if info.profiles else {}),
    }


def history_json(history: History) -> dict[str, Any]:
    """Return the document of ``history --json``."""
    return {
        "schema_version": SCHEMA_VERSION,
        **members(history, "environment", "volume"),
        "generations": [_generation(info) for info in history.generations],
    }


def switch_json(result: SwitchResult) -> dict[str, Any]:
    """Return the document of ``rollback`` and ``rename --json``."""
    return {
        "schema_version": SCHEMA_VERSION,
        **members(result, "environment", "path", "prefix", "number", "before"),
        "difference": _difference(result.difference) if result.difference else None,
        "validated": result.validated,
    }


def remove_json(result: RemoveResult) -> dict[str, Any]:
    """Return the document of ``remove --json``."""
    document = members(result, "environment", "generations", "kept", "freed_bytes")
    return {"schema_version": SCHEMA_VERSION, **document}


def checkup_json(result: Checkup) -> dict[str, Any]:
    """Return the document of ``doctor --json``."""
    return {
        "schema_version": SCHEMA_VERSION,
        **members(result, "healthy", "full", "seconds"),
        "subjects": [
            {**members(subject, "name", "path", "healthy"), "findings": list(map(finding_json, subject.findings))}
            for subject in result.subjects
        ],
        "mended": [say(repair) for repair in result.mended],
    }


def clean_json(result: CleanResult) -> dict[str, Any]:
    """Return the document of ``clean --json``."""
    return {
        "schema_version": SCHEMA_VERSION,
        **members(result, "volume", "dry_run"),
        "items": [{**members(item, "kind", "path"), "why": say(item.why)} for item in result.items],
        "kept": [{"what": what, "why": say(why)} for what, why in result.kept],
        **members(result, "freed_bytes", "freed_inodes", "elsewhere_bytes"),
    }


def volume_json(report: VolumeReport) -> dict[str, Any]:
    """Return the document of ``volume --json``."""
    document = asdict(replace(report, concerns=()))
    document["concerns"] = [say(fact) for fact in report.concerns]
    document["settings"] = {key: {"value": value, "origin": origin} for key, (value, origin) in report.settings.items()}
    return {"schema_version": SCHEMA_VERSION, **document}


def bootstrap_json(result: BootstrapResult) -> dict[str, Any]:
    """Return the document of ``volume bootstrap --json``."""
    return {"schema_version": SCHEMA_VERSION, **asdict(result)}


def share_json(result: ShareResult) -> dict[str, Any]:
    """Return the document of ``volume share --json``."""
    return {
        "schema_version": SCHEMA_VERSION,
        **members(result, "volume", "group", "mode", "sticky", "trust", "changed"),
    }

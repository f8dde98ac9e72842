"""Documents of pack, unpack and stage."""

from __future__ import annotations

from typing import Any

from envkit.models.pack import PackResult, StageResult, UnpackResult
from envkit.wire.results import SCHEMA_VERSION, members, report_json


def pack_json(result: PackResult) -> dict[str, Any]:
    """Return the document of ``pack --json``."""
    told = ("environment", "generation", "file", "format", "sha256", "size_bytes", "content_bytes", "files")
    return {"schema_version": SCHEMA_VERSION, **members(result, *told)}


def unpack_json(result: UnpackResult, host: dict[str, Any]) -> dict[str, Any]:
    """Return the document of ``unpack --json``."""
    told = ("environment", "volume", "path", "prefix", "reused", "content_bytes", "files")
    report = report_json(result.report, host) if result.report is not None else None
    return {"schema_version": SCHEMA_VERSION, **members(result, *told), "validation": report}


def stage_json(result: StageResult) -> dict[str, Any]:
    """Return the document of ``stage --json``."""
    told = ("environment", "generation", "prefix", "reused", "source", "size_bytes", "files")
    return {"schema_version": SCHEMA_VERSION, **members(result, *told)}

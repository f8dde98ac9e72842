"""The document of an inspection."""

from __future__ import annotations

from typing import Any

from envkit.cuda.ptx import cuda_of_isa
from envkit.models.build import Tier
from envkit.models.gpucode import GpuLibrary, GpuPackage
from envkit.models.host import Target
from envkit.models.inspection import Foreseen, Inspection
from envkit.wire.gpucode import library_json
from envkit.wire.results import members, reasons_json, report_json, target_json


def inspect_json(inspection: Inspection) -> dict[str, Any]:
    """Return the document of ``inspect``."""
    tiers = dict(inspection.tiers)
    libraries = [_library(library, package, tiers) for package in inspection.packages for library in package.libraries]
    return {
        **members(inspection, "what", "kind", "place"),
        "libraries": sorted(libraries, key=lambda library: str(library["path"])),
        "unreadable": [{"path": path, "why": why} for path, why in inspection.unreadable],
        "verdict": None if inspection.target is None else _verdict(inspection, inspection.target),
    }


def foreseen_json(foreseen: Foreseen) -> dict[str, Any]:
    """Return the document of ``validate`` for another machine: ``target`` in place of ``host``, and the libraries."""
    found = inspect_json(foreseen.inspection)
    target = foreseen.inspection.target
    return {
        **report_json(foreseen.report, {}),
        "host": None,
        "target": target_json(target) if target else None,
        "environment": foreseen.environment,
        "libraries": found["libraries"],
    }


def _library(library: GpuLibrary, package: GpuPackage, tiers: dict[str, Tier]) -> dict[str, Any]:
    document = library_json(library)
    for arch, code in library.ptx.items():
        document["ptx"][str(arch)]["driver_cuda"] = str(cuda_of_isa(code.isa))
    tier = tiers.get(library.path)
    document["tier"] = None if tier is None else tier.value
    return {**document, "package": package.name, "version": package.version}


def _verdict(inspection: Inspection, target: Target) -> dict[str, Any]:
    tier = inspection.tier
    return {
        "target": target_json(target),
        "tier": None if tier is None else tier.value,
        "runs": None if tier is None else tier.runs,
        "packages": [
            {"package": verdict.package, "tier": verdict.tier.value, "reasons": reasons_json(verdict.reasons)}
            for verdict in inspection.verdicts
        ],
    }

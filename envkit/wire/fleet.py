"""The documents of ``envkit fleet``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from envkit.models.fleet import FleetDetection, FleetStaging, FleetValidation, NodeFinding
from envkit.models.fleet_group import FleetGroup
from envkit.models.fleet_report import FleetReport, Standing
from envkit.wire.results import finding_json, members


def fleet_detection_json(found: FleetDetection, facts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the document of ``fleet detect``; `facts` are those of each machine, by its name."""
    return {
        "via": found.via,
        "machines": [{"name": name, "facts": facts[name]} for name in found.machines],
        "kinds": [{"nodes": list(kind.nodes), "facts": facts[kind.nodes[0]]} for kind in found.kinds],
        "findings": [node_finding_json(finding) for finding in found.findings],
    }


def fleet_validation_json(found: FleetValidation) -> dict[str, Any]:
    """Return the document of ``fleet validate``."""
    return {
        "via": found.via,
        "nodes": [record.to_json() for record in found.nodes],
        "groups": [_group(group) for group in found.groups],
        "findings": [node_finding_json(finding) for finding in found.findings],
    }


def _group(group: FleetGroup) -> dict[str, Any]:
    """Return nodes that computed together, and how that went."""
    pairs = [pair.to_json() for pair in group.pairs]
    return {**members(group, "backend", "generation", "nodes"), "whole": group.whole.to_json(), "pairs": pairs}


def fleet_staging_json(found: FleetStaging) -> dict[str, Any]:
    """Return the document of ``fleet stage``."""
    return {
        "via": found.via,
        "copies": [copy._asdict() for copy in found.copies],
        "findings": [node_finding_json(finding) for finding in found.findings],
    }


def node_finding_json(found: NodeFinding) -> dict[str, Any]:
    """Return a finding with its node."""
    return {"node": found.node, **finding_json(found.finding)}


def fleet_report_json(report: FleetReport) -> dict[str, Any]:
    """Return the document of ``fleet report``."""
    return {
        "root": report.root,
        "created": report.created,
        "size_bytes": report.size_bytes,
        "free_bytes": report.free_bytes,
        "kinds": [{"nodes": list(kind.nodes), "facts": dict(kind.host)} for kind in report.kinds],
        "environments": [
            {
                "name": each.name,
                "generations": list(each.generations),
                "packages": each.packages,
                "size_bytes": each.size_bytes,
                "created": each.created,
                "standings": [_standing_json(standing) for standing in each.standings],
            }
            for each in report.environments
        ],
        "nodes": [node._asdict() for node in report.nodes],
        "figures": [
            {**figure._asdict(), "points": [{"node": node, "value": value} for node, value in figure.points]}
            for figure in report.figures
        ],
        "tasks": [
            {"environment": task.environment or None, "node": task.node or None, **finding_json(task.finding)}
            for task in report.tasks
        ],
    }


def _standing_json(standing: Standing | None) -> dict[str, Any] | None:
    if standing is None:
        return None
    return {
        "verdict": standing.verdict,
        "created": standing.created,
        "past": [{"created": created, "verdict": verdict} for created, verdict in standing.past],
        "failed": list(standing.failed),
    }

"""The documents of ``tree --json`` and ``why --json``."""

from __future__ import annotations

from typing import Any

from envkit.plan.graph import DependencyGraph
from envkit.wire.results import SCHEMA_VERSION, members


def tree_json(graph: DependencyGraph) -> dict[str, Any]:
    """Return the document of ``tree --json``."""
    packages = {
        name: {"version": version, "depends": [members(need, "name", "spec") for need in graph.needs[name]]}
        for name, version in graph.versions.items()
    }
    return {"schema_version": SCHEMA_VERSION, "roots": list(graph.roots), "packages": packages}


def why_json(graph: DependencyGraph, name: str) -> dict[str, Any]:
    """Return the document of ``why --json``."""
    return {
        "schema_version": SCHEMA_VERSION,
        "package": name,
        "version": graph.versions[name],
        "asked_for": name in graph.roots,
        "needed_by": [
            {**members(need, "name", "spec"), "version": graph.versions[need.name]} for need in graph.needed_by(name)
        ],
        "chains": [list(chain) for chain in graph.chains(name)],
    }

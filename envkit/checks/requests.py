"""Comparison of a request with the one that the environment of the same name was made from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from envkit.models.manifest import RecordedRequest
from envkit.values import fields


def requests_differ(one: RecordedRequest, other: RecordedRequest) -> set[str]:
    """Return the names of the members in which two requests differ."""
    first, second = (
        {field.name: getattr(request, field.name) for field in fields(request) if field.compare}
        | {"target": _described(request.target)}
        for request in (one, other)
    )
    return {member for member in first if first[member] != second[member]}


def _described(target: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what flags or variables said of a machine. What was detected beside it differs on every host."""
    described = target.get("described", ())
    if not set(described) <= set(target):
        return target  # machines of a file: all of it was said
    return {"described": sorted(described), **{member: target[member] for member in described}}

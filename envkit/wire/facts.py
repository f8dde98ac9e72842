"""Documents of what is known of GPU code."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from envkit.models.facts import CodeFact, CodeGap, CodeKnowledge
from envkit.models.gpucode import Architecture
from envkit.wire.results import SCHEMA_VERSION, members, relative_json


def facts_json(known: CodeKnowledge) -> dict[str, Any]:
    """Return the document of ``facts --json``."""
    return {
        "schema_version": SCHEMA_VERSION,
        **members(known, "name"),
        "facts": [_fact(fact) for fact in known.facts],
        **members(known, "channels"),
        "gaps": None if known.gaps is None else [_gap(gap) for gap in known.gaps],
        **members(known, "problem"),
    }


def _fact(fact: CodeFact) -> dict[str, Any]:
    return {
        **members(fact, "package", "versions", "cuda", "channel", "subdirs"),
        "sass": _codes(fact.sass),
        "ptx": _codes(fact.ptx),
        **members(fact, "origin", "source", "date", "here"),
    }


def _codes(codes: Iterable[Architecture]) -> list[str]:
    return [str(code) for code in sorted(codes)]


def _gap(gap: CodeGap) -> dict[str, Any]:
    told = members(gap, "package", "version", "cuda", "channel", "subdir", "builds")
    return {**told, "relative": relative_json(gap.relative) if gap.relative is not None else None}

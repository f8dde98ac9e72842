"""The document of ``envkit fleet constraint``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from envkit.models.constraint import Constraint
from envkit.profiles import Profile


def constraint_json(rows: Sequence[Profile], found: Constraint) -> dict[str, Any]:
    """Return the document: the conditions of each profile, and a scheduler's words for them."""
    return {
        "for": found.scheduler,
        "needs": [
            {
                "subdir": row.subdir,
                "gpu": row.gpu,
                "glibc": row.glibc,
                "driver": row.driver,
                "driver_cuda": row.cuda,
                "compute_capabilities": None if row.capabilities is None else list(row.capabilities),
            }
            for row in rows
        ],
        "lines": list(found.lines),
        "document": found.document or None,
        "unsaid": list(found.unsaid),
        "unknown": list(found.unknown),
    }

"""Sources, notes and traces, collected while a host is put together."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Draft"]


@dataclass(slots=True)
class Draft:
    """Parts of an unfinished host.

    Attributes:
        sources: Source of each fact.
        notes: Disagreements, and facts that were ignored.
        traces: Signs of NVIDIA; they count if no GPU can be used.
    """

    sources: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    traces: list[str] = field(default_factory=list)

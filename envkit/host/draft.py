"""What gathers while a host is put together: sources, notes, traces."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Draft"]


@dataclass(slots=True)
class Draft:
    """The host in the making.

    Attributes:
        sources: Fact to where it came from.
        notes: What disagrees, and what was ignored.
        traces: Signs of NVIDIA; they count where no GPU can be used.
    """

    sources: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    traces: list[str] = field(default_factory=list)

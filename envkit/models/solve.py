"""What a solver is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["ChannelPriority", "SolveTask"]

ChannelPriority = Literal["strict", "flexible"]


@dataclass(frozen=True, slots=True)
class SolveTask:
    """A request with everything that decides its answer, for any engine.

    Attributes:
        specs: MatchSpecs (CEP 29) that must be in the solution.
        channels: Base URLs or names, highest priority first.
        platforms: Subdirs, such as ``("linux-64", "noarch")``.
        constraints: MatchSpecs that hold for packages that come in, without bringing them in.
        virtual_packages: Name, version and build of each (CEP 30, CEP 46).
        channel_priority: ``strict`` takes a package only from the first channel that has its name.
        exclude_newer: ISO 8601 moment; records that are newer do not exist for the solver.
        timeout_s: Limit in seconds.
    """

    specs: tuple[str, ...]
    channels: tuple[str, ...]
    platforms: tuple[str, ...]
    constraints: tuple[str, ...] = ()
    virtual_packages: tuple[tuple[str, str, str], ...] = ()
    channel_priority: ChannelPriority = "strict"
    exclude_newer: str | None = None
    timeout_s: float | None = None

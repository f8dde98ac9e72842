"""What a solver is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from envkit.models.build import Record

__all__ = ["ChannelPriority", "Pin", "SolveTask", "VirtualPackage"]

ChannelPriority = Literal["strict", "flexible"]


class VirtualPackage(NamedTuple):
    """A property of the target as the solver sees it (CEP 30)."""

    name: str
    version: str
    build: str = "0"


class Pin(NamedTuple):
    """A record that the solution has to hold, or a pattern that leaves the Python open; `reason` is for people."""

    spec: str
    reason: str


@dataclass(frozen=True, slots=True)
class SolveTask:
    """Everything that a solve depends on, as values.

    Attributes:
        specs: MatchSpecs to satisfy; the pins are among them.
        constraints: MatchSpecs that hold for a package only where the solution has it.
        channels: In the order of priority.
        platforms: Subdirs, ``noarch`` among them.
        virtual_packages: The target.
        channel_priority: ``strict`` or ``flexible``.
        exclude_newer: Records newer than this are not seen; milliseconds since 1970.
        timeout_s: Time limit in seconds.
        pins: What the plan itself added to the specs, and why.
        reasons: Why each constraint is there: the constraint to a sentence.
        installed: Records that the solution keeps where it can.
    """

    specs: tuple[str, ...]
    constraints: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    virtual_packages: tuple[VirtualPackage, ...] = ()
    channel_priority: ChannelPriority = "strict"
    exclude_newer: int | None = None
    timeout_s: float | None = None
    pins: tuple[Pin, ...] = ()
    reasons: tuple[tuple[str, str], ...] = ()
    installed: tuple[Record, ...] = ()

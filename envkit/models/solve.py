"""The question that a solver answers."""

from __future__ import annotations

from typing import Literal

from envkit.models.build import Record
from envkit.tuples import NamedTuple
from envkit.values import dataclass

ChannelPriority = Literal["strict", "flexible", "disabled"]


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
    """Everything that a solve depends on, as values."""

    specs: tuple[str, ...]  # MatchSpecs to satisfy; the pins are among them
    constraints: tuple[str, ...] = ()  # MatchSpecs that hold for a package only where the solution has it
    channels: tuple[str, ...] = ()  # in the order of priority
    platforms: tuple[str, ...] = ()  # subdirs, ``noarch`` among them
    virtual_packages: tuple[VirtualPackage, ...] = ()  # the target
    channel_priority: ChannelPriority = "strict"  # as in conda
    exclude_newer: int | None = None  # records newer than this are not seen; milliseconds since 1970
    timeout_s: float | None = None  # time limit in seconds
    pins: tuple[Pin, ...] = ()  # what the plan itself added to the specs, and why
    reasons: tuple[tuple[str, str], ...] = ()  # why each constraint is there: the constraint to a sentence
    installed: tuple[Record, ...] = ()  # records that the solution keeps where it can

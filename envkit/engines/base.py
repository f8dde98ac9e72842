"""The interface of every engine, whatever solver is behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from envkit.models.build import Record
from envkit.models.channel import Channel
from envkit.models.network import NetworkPolicy
from envkit.models.solve import SolveTask

__all__ = ["Capabilities", "ChannelAccess", "Engine", "QueryResult"]


@dataclass(frozen=True, slots=True)
class ChannelAccess:
    """The channels of a call, and how to reach them.

    Attributes:
        channels: Every channel of the task, with its credentials.
        policy: How the network may be used.
        index_dir: Where channel indexes are cached.
    """

    channels: tuple[Channel, ...]
    policy: NetworkPolicy
    index_dir: Path


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Optional abilities of an engine."""

    name: str
    version: str
    exclude_newer: bool
    flexible_priority: bool


@dataclass(frozen=True, slots=True)
class QueryResult:
    """Records of one name: those that match the MatchSpec, and the others."""

    name: str
    matching: tuple[Record, ...]
    others: tuple[Record, ...]


class Engine(Protocol):
    """A solver with its channel indexes."""

    def query(self, spec: str, *, platforms: Sequence[str], access: ChannelAccess) -> QueryResult:
        """Return every record of the name in a MatchSpec, from every channel, in channel order.

        Raises:
            SpecError: A spec cannot be read.
            ChannelError: A channel cannot be read.
        """

    def solve(self, task: SolveTask, *, access: ChannelAccess) -> tuple[Record, ...]:
        """Return the records that satisfy the task, sorted by name.

        Raises:
            SpecError: A spec cannot be read.
            UnsatisfiableError: There is no solution; the message has the solver's reasons.
            ChannelError: A channel cannot be read.
        """

    def capabilities(self) -> Capabilities:
        """Return the name, version and abilities of this engine."""

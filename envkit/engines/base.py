"""The interface of every engine, whatever solver is behind it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from envkit.errors import SpecError
from envkit.models.build import Record
from envkit.models.channel import Channel
from envkit.models.network import NetworkPolicy
from envkit.models.solve import SolveTask
from envkit.models.spec import parse_match_spec
from envkit.values import dataclass

HOW_TO_WRITE_SPECS = (
    "Write it as conda does: 'pytorch', 'pytorch=2.5', 'pytorch>=2.4,<2.6', 'pytorch=2.5.1=*cuda12.1*'."
)


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

    @property
    def urls(self) -> list[str]:
        """The channels' URLs, without credentials."""
        return [channel.url for channel in self.channels]

    @property
    def secrets(self) -> list[str]:
        """The credentials, which no message may show."""
        return [secret for channel in self.channels for secret in channel.secrets]


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

    def trouble(self) -> OSError | None:
        """Return, once, why something that was read of indexes could not be kept; None if all is well."""


def named_package(spec: str) -> str:
    """Return the name in a MatchSpec.

    Raises:
        SpecError: It names no package, or a pattern.
    """
    name = parse_match_spec(spec).name
    if not name or "*" in name or name.startswith("^"):
        raise SpecError(f"{spec!r} names no package", hint="Give one package by name, such as 'pytorch>=2.4'.")
    return name


def in_channel(named: str | None, url: str) -> bool:
    """Return whether a record's channel is the one that a spec names, by URL or by the end of it; None is any."""
    return named is None or url.rstrip("/") == named.rstrip("/") or url.rstrip("/").endswith(f"/{named.strip('/')}")


def unreadable_spec(spec: str, error: Exception) -> SpecError:
    """Return the error for a MatchSpec that a native library refuses."""
    why = " ".join(str(error).split())
    return SpecError(f"cannot read the package specification {spec!r}: {why}", hint=HOW_TO_WRITE_SPECS)

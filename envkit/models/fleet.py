"""The nodes of a fleet, their answers, and what they tell."""

from __future__ import annotations

from typing import Literal

from envkit.models.fleet_group import FleetGroup
from envkit.models.host import Host
from envkit.models.node_record import NodeRecord
from envkit.models.report import Finding
from envkit.tuples import NamedTuple
from envkit.values import dataclass

AnswerState = Literal["ended", "silent", "lost", "queued"]
"""``ended``: the command ended by itself. ``silent``: not by the deadline. ``lost``: it was not run, or was killed.
``queued``: its turn did not come before the deadline, since the scheduler did not give it the node."""


@dataclass(frozen=True, slots=True)
class Node:
    """A machine as its scheduler knows it.

    Attributes:
        name: The scheduler's name of it.
        state: The scheduler's word for what it is doing; empty where there is none.
        usable: Whether the scheduler gives work to it.
        gpus: How many GPUs the scheduler counts; None where it does not count them.
        features: What its constraints may ask for.
        gpu_types: What the scheduler calls its GPUs; empty where it has no names for them.
        reason: The scheduler's reason for a node that it gives no work to; empty where it has none.
    """

    name: str
    state: str = ""
    usable: bool = True
    gpus: int | None = None
    features: tuple[str, ...] = ()
    gpu_types: tuple[str, ...] = ()
    reason: str = ""


class NodeAnswer(NamedTuple):
    """The end of a command on a node."""

    node: str
    state: AnswerState
    exit_code: int | None = None  # of the command, or of what was to start it
    stdout: bytes = b""
    said: str = ""  # the last line of its standard error; what the scheduler says of a node that it did not give
    elapsed_s: float = 0.0


class NodeFinding(NamedTuple):
    """A finding, and the node that it is about."""

    node: str
    finding: Finding


class HostKind(NamedTuple):
    """Nodes that are alike, and what each of them is."""

    nodes: tuple[str, ...]
    host: Host


@dataclass(frozen=True, slots=True)
class FleetDetection:
    """The machines of a fleet.

    Attributes:
        via: The adapter that asked the nodes: ``slurm``, ``dask`` or ``local``.
        machines: What each node that answered is, by its name.
        kinds: The same by kind, the most frequent first.
        findings: What is odd, by node.
    """

    via: str
    machines: dict[str, Host]
    kinds: tuple[HostKind, ...]
    findings: tuple[NodeFinding, ...]


@dataclass(frozen=True, slots=True)
class FleetValidation:
    """The validation of an environment on the nodes of a fleet.

    Attributes:
        via: As in `FleetDetection`.
        nodes: The outcome on each node that was asked.
        findings: What failed or is odd, by node.
        groups: Nodes that computed together, with the level ``collective``.
    """

    via: str
    nodes: tuple[NodeRecord, ...]
    findings: tuple[NodeFinding, ...]
    groups: tuple[FleetGroup, ...] = ()


class NodeCopy(NamedTuple):
    """The copy of an environment on a node."""

    node: str  # the scheduler's name of it
    prefix: str  # where it is
    reused: bool  # whether it was there


@dataclass(frozen=True, slots=True)
class FleetStaging:
    """The copies of an environment on the nodes of a fleet.

    Attributes:
        via: As in `FleetDetection`.
        copies: The copy on each node that has one.
        findings: What went wrong, by node.
    """

    via: str
    copies: tuple[NodeCopy, ...]
    findings: tuple[NodeFinding, ...]

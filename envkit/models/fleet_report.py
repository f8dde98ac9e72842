"""What a volume knows of the machines that use it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from envkit.models.node_record import NodeVerdict
from envkit.models.report import Finding
from envkit.tuples import NamedTuple
from envkit.values import dataclass


class ReportKind(NamedTuple):
    """Machines that are alike: what each is, as ``detect --json`` prints it, and the names that are known."""

    host: Mapping[str, Any]
    nodes: tuple[str, ...]


class Standing(NamedTuple):
    """The state of an environment on one kind of machine; see `ReportEnvironment.standings`."""

    verdict: NodeVerdict  # of the last validation
    created: str  # when that was, in ISO 8601, UTC
    past: tuple[tuple[str, NodeVerdict], ...] = ()  # when and how it went before, the oldest first, this one last
    failed: tuple[str, ...] = ()  # nodes whose last validation did not pass


@dataclass(frozen=True, slots=True)
class ReportEnvironment:
    """One environment of a volume.

    Attributes:
        name: Its name.
        generations: The generation that its link names, and those of its other profiles.
        packages: Number of its packages.
        size_bytes: Bytes on disk, hard links counted once.
        created: When it was made.
        standings: How it does on each kind of machine, in the order of `FleetReport.kinds`; None where it was never
            validated.
    """

    name: str
    generations: tuple[str, ...]
    packages: int
    size_bytes: int
    created: str | None
    standings: tuple[Standing | None, ...] = ()


class ReportNode(NamedTuple):
    """The last validation of an environment on a node."""

    node: str
    environment: str
    kind: int | None  # place in `FleetReport.kinds`; None if the node gave no report
    verdict: NodeVerdict
    created: str
    seconds: float


class ReportFigure(NamedTuple):
    """One figure, as nodes of one kind measured it."""

    environment: str
    kind: int  # place in `FleetReport.kinds`
    check: str
    name: str  # with its unit at the end
    usual: float  # the median
    points: tuple[tuple[str, float], ...]  # node and number


class ReportTask(NamedTuple):
    """Something to look at: a finding, the environment it is about and the node where it was found."""

    environment: str
    node: str  # empty for the volume, or all nodes
    finding: Finding


@dataclass(frozen=True, slots=True)
class FleetReport:
    """A volume and the machines that use it.

    Attributes:
        root: The volume.
        created: When this was put together, in ISO 8601, UTC.
        size_bytes: What its environments take together.
        free_bytes: What is free on it.
        kinds: The kinds of machines, those with most names first.
        environments: Its environments by name.
        nodes: The last validations by node.
        figures: What nodes measured.
        tasks: What to do, the gravest first.
    """

    root: str
    created: str
    size_bytes: int
    free_bytes: int
    kinds: tuple[ReportKind, ...]
    environments: tuple[ReportEnvironment, ...]
    nodes: tuple[ReportNode, ...]
    figures: tuple[ReportFigure, ...]
    tasks: tuple[ReportTask, ...]

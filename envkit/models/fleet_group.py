"""Nodes of a fleet that compute together, and how that went."""

from __future__ import annotations

from typing import Any, Literal

from envkit.models.stored import Stored
from envkit.values import dataclass

MeetingState = Literal["right", "wrong", "hangs", "apart", "failed", "untried"]
"""``right``: the sum is. ``wrong``: it is not. ``hangs``: no end in time. ``apart``: they did not find one another.
``failed``: an error. ``untried``: the deadline came before."""
Backend = Literal["gloo", "nccl"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting(Stored):
    """An all-reduce of some nodes, as one of them saw it.

    Attributes:
        nodes: The nodes; the first leads.
        state: How it went.
        said: The error, or what is wrong.
        elapsed_s: Seconds from the start of this node's process to its outcome.
        bytes_per_s: What each process sent and received in a second of a right all-reduce.
    """

    nodes: tuple[str, ...]
    state: MeetingState
    said: str = ""
    elapsed_s: float = 0.0
    bytes_per_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeetingPlan(Stored):
    """The meetings of a fleet, as the file in their folder tells them to each node.

    Attributes:
        meetings: Groups of nodes, in the order in which they meet.
        backend: What carries the all-reduce.
        wait_s: Seconds to find one another.
        patience_s: Seconds for an all-reduce, once all are there.
    """

    schema_version: Literal[1] = 1
    meetings: tuple[tuple[str, ...], ...]
    backend: Backend
    wait_s: float
    patience_s: float

    def to_probe(self, node: str, place: str, until_s: float) -> dict[str, Any]:
        """Return the plan as the probe of one node reads it."""
        meetings = [list(nodes) for nodes in self.meetings]
        return {**self.to_json(), "meetings": meetings, "node": node, "place": place, "until_s": until_s}


@dataclass(frozen=True, slots=True)
class FleetGroup:
    """Nodes with one generation, which computed together.

    Attributes:
        backend: What carried the all-reduce: ``gloo``, or ``nccl`` on the first GPU of each node.
        generation: The generation that they have.
        nodes: Their names.
        whole: The all-reduce of all of them, as the node saw it for which it went worst.
        pairs: The same for each two of them, where the whole did not come out right.
    """

    backend: Backend
    generation: str
    nodes: tuple[str, ...]
    whole: Meeting
    pairs: tuple[Meeting, ...] = ()

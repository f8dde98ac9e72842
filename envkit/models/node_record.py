"""The last validation of a generation on one node of a fleet."""

from __future__ import annotations

from typing import Any, Literal

from envkit.models.probe import Level
from envkit.models.stored import Stored
from envkit.values import dataclass, field

NodeVerdict = Literal["pass", "fail", "skip", "none"]
"""As in a report; ``none``: the node gave no report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRecord(Stored):
    """The outcome of the last validation of one generation on one node.

    Attributes:
        node: The scheduler's name of it.
        via: What asked it: ``slurm``, ``dask`` or ``local``.
        level: How thoroughly it was validated.
        verdict: How it went; ``none`` where the node gave no report.
        created: When, in ISO 8601, UTC.
        seconds: How long the checks took there.
        generation: The generation that the node took; None for a prefix that is on no volume.
        fingerprint: Fingerprint of the node; None where it gave no report.
        host: The node, as ``detect --json`` prints it.
        findings: What was checked, as ``validate --json`` prints it, or why there is no report.
    """

    schema_version: Literal[1] = 1
    node: str
    via: str
    level: Level
    verdict: NodeVerdict
    created: str
    seconds: float = 0.0
    generation: str | None = None
    fingerprint: str | None = None
    host: dict[str, Any] = field(default_factory=dict)
    findings: tuple[dict[str, Any], ...] = ()

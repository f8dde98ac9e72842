"""fleet validate: prove an environment on the nodes of a cluster, and compare equal nodes."""

from __future__ import annotations

import datetime
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from envkit.api.fleet import detect_fleet
from envkit.api.fleet_groups import Groups
from envkit.api.nodes import ask_nodes, in_order, judge_node, read_document, unreadable, usable
from envkit.checks.fleet import kinds_of, oddities, settled, unproven
from envkit.checks.fleet_figures import figures_of, slow_nodes
from envkit.errors import SettingsError
from envkit.fleet.base import Fleet
from envkit.host.wire import host_from_json
from envkit.layout.generation import resolve
from envkit.layout.node_records import write_node_record
from envkit.layout.validations import read_validation, write_validation
from envkit.layout.volume import Volume
from envkit.models.fleet import FleetValidation, Node, NodeAnswer, NodeFinding
from envkit.models.fleet_group import FleetGroup
from envkit.models.host import Host
from envkit.models.manifest import ValidationRecord
from envkit.models.node_record import NodeRecord
from envkit.models.probe import Level
from envkit.models.progress import Reporter
from envkit.models.report import Finding
from envkit.models.stored import StoredError
from envkit.paths import split_generation
from envkit.values import dataclass, replace
from envkit.wire.results import finding_from_json, finding_json, members


@dataclass(frozen=True, slots=True)
class FleetCheck:
    """An environment, and how thoroughly nodes validate it.

    Attributes:
        name: An environment of the volume.
        level: As in `envkit.api.examine.ValidateOptions`.
        one_per_kind: Only on one node of each kind.
        require_gpu: A node without a GPU that an environment for GPUs can be proven on is a failure.
        timeout_s: Limit for each check's process, in seconds.
        deadline_s: Seconds for all of it.
    """

    name: str
    level: Level = "framework"
    one_per_kind: bool = False
    require_gpu: bool = False
    timeout_s: float = 300.0
    deadline_s: float = 600.0


def validate_fleet(fleet: Fleet, check: FleetCheck, *, volume: Volume, reporter: Reporter) -> FleetValidation:
    """Validate an environment on each node, keep the outcomes on the volume, and judge the nodes beside one another.

    A node that fails, or does not answer, is a finding.

    Raises:
        UnknownEnvironmentError: There is no such environment.
        UsageError: There is no such node.
        HostCannotRunError: The scheduler does not answer.
    """
    prefix = resolve(volume, check.name)
    ends = time.monotonic() + check.deadline_s
    nodes = fleet.nodes()
    names, findings = usable(nodes)
    if check.one_per_kind:
        found = detect_fleet(fleet, volume=volume, deadline_s=check.deadline_s, reporter=reporter)
        findings = list(found.findings)
        names = tuple(kind.nodes[0] for kind in found.kinds)
    left_s = max(1.0, ends - time.monotonic())
    limit = ("--timeout", f"{min(check.timeout_s, left_s):.0f}")
    words = ("validate", check.name, "--persist", str(volume.root), "--level", check.level, *limit, "--json")
    asked = dict.fromkeys(names, words)
    records: list[NodeRecord] = []
    for answer in ask_nodes(fleet, asked, volume=volume, deadline_s=left_s, reporter=reporter):
        made = NodeRecord(
            node=answer.node,
            via=fleet.name,
            level=check.level,
            verdict="none",
            created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            generation=_generation(volume, str(prefix)),
        )
        record, finding = _read(volume, answer, made)
        records.append(record)
        findings += [finding] if finding is not None else _told(record, check)
    for record in records:
        if record.generation is not None:
            write_node_record(volume, record)
    if check.level != "driver":
        _settle(volume, records)
    findings += _compare(records, nodes, known=findings)
    groups: list[FleetGroup] = []
    if check.level == "collective":
        groups, more = Groups(fleet, volume, reporter, ends).compute(records)
        findings += more
    return FleetValidation(fleet.name, tuple(records), in_order(findings, nodes), tuple(groups))


def _read(volume: Volume, answer: NodeAnswer, made: NodeRecord) -> tuple[NodeRecord, NodeFinding | None]:
    """Return the outcome on a node, and a finding if there is no report."""
    try:
        document = read_document(answer)
        host_from_json(document["host"], where=answer.node)
        told = {name: document[name] for name in ("verdict", "created", "seconds", "fingerprint", "host", "findings")}
        generation = _generation(volume, document["prefix"])
        record = NodeRecord.from_json({**made.to_json(), **told, "generation": generation})
        for finding in record.findings:
            finding_from_json(finding)
    except (SettingsError, StoredError, LookupError, TypeError):
        failure = judge_node(answer, volume=volume) or unreadable(answer)
        return replace(made, findings=(finding_json(failure.finding),)), failure
    return record, None


def _generation(volume: Volume, prefix: str) -> str | None:
    """Return the name of a generation of the volume, None for any other prefix; see `resolve`."""
    path = Path(prefix)
    return path.name if split_generation(prefix) is not None and path.parent == volume.generations else None


def _told(record: NodeRecord, check: FleetCheck) -> list[NodeFinding]:
    """Return what failed on a node, or that nothing was proven there."""
    if record.verdict == "skip":
        return [unproven(record.node, required=check.require_gpu)]
    return [NodeFinding(record.node, one) for one in _findings(record) if one.status in {"fail", "warn"}]


def _findings(record: NodeRecord) -> list[Finding]:
    return [finding_from_json(finding) for finding in record.findings]


def _settle(volume: Volume, records: Iterable[NodeRecord]) -> None:
    """Have the validation of each kind of host say what most nodes of that kind say.

    Each node has recorded its own, in any order, and equal nodes have one record between them.
    """
    alike: dict[tuple[str, str], list[NodeRecord]] = defaultdict(list)
    for record in records:
        if record.generation is not None and record.fingerprint is not None:
            alike[record.generation, record.fingerprint].append(record)
    for (generation, fingerprint), same in alike.items():
        verdict = settled(Counter(record.verdict for record in same))
        before = read_validation(volume, generation, fingerprint)
        if before is None or before.verdict == verdict:
            continue
        chosen = next(record for record in same if record.verdict == verdict)
        told = members(chosen, "verdict", "created", "seconds", "findings")
        write_validation(volume, ValidationRecord.from_json({**before.to_json(), **told}))


def _compare(
    records: Sequence[NodeRecord], nodes: Sequence[Node], *, known: Sequence[NodeFinding]
) -> list[NodeFinding]:
    """Return what is odd about nodes beside those that are like them, and was not found before."""
    machines: dict[str, Host] = {
        record.node: host_from_json(record.host, where=record.node) for record in records if record.host
    }
    counted = {node.name: node.gpus for node in nodes if node.gpus is not None}
    figures = {record.node: figures_of(_findings(record)) for record in records}
    odd = [*oddities(machines, counted), *slow_nodes(figures, (kind.nodes for kind in kinds_of(machines)))]
    seen = {(node, finding.code) for node, finding in known}
    return [found for found in odd if (found.node, found.finding.code) not in seen]

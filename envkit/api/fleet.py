"""fleet: ask the nodes of a cluster through an adapter."""

from __future__ import annotations

import json
from pathlib import Path

from envkit.api.nodes import ask_nodes, in_order, judge_node, read_document, unreadable, usable
from envkit.checks.fleet import kinds_of, oddities
from envkit.checks.fleet_health import sick_gpus
from envkit.errors import SettingsError, UsageError
from envkit.fleet.base import Fleet
from envkit.host.wire import host_from_json, host_to_json
from envkit.layout.atomic import write_atomic
from envkit.layout.volume import Volume
from envkit.models.fleet import FleetDetection, FleetStaging, NodeCopy
from envkit.models.gpu_health import GpuHealth
from envkit.models.host import Host
from envkit.models.progress import Reporter
from envkit.models.stored import StoredError


def detect_fleet(fleet: Fleet, *, volume: Volume | None, deadline_s: float, reporter: Reporter) -> FleetDetection:
    """Ask each node what it can run, and judge the nodes beside one another.

    A node that does not answer is a finding. A `volume` lends the nodes its launcher.

    Raises:
        UsageError: There is no such node.
        HostCannotRunError: The scheduler does not answer.
    """
    nodes = fleet.nodes()
    machines: dict[str, Host] = {}
    names, findings = usable(nodes)
    words = dict.fromkeys(names, ("detect", "--refresh", "--health", "--json"))
    for answer in ask_nodes(fleet, words, volume=volume, deadline_s=deadline_s, reporter=reporter):
        finding = judge_node(answer, volume=volume)
        if finding is None:
            try:
                document = read_document(answer)
                machines[answer.node] = host_from_json(document, where=answer.node)
                states = [GpuHealth.from_json(gpu) for gpu in document.get("health", ())]
                findings += sick_gpus(answer.node, states)
            except (SettingsError, StoredError):
                finding = unreadable(answer)
        if finding is not None:
            findings.append(finding)
    counted = {node.name: node.gpus for node in nodes if node.gpus is not None}
    findings += oddities(machines, counted)
    return FleetDetection(fleet.name, machines, kinds_of(machines), in_order(findings, nodes))


def stage_fleet(
    fleet: Fleet, reference: str, place: Path, *, volume: Volume, deadline_s: float, reporter: Reporter
) -> FleetStaging:
    """Copy an environment of a volume to a directory of each node's own disk; see `envkit.api.stage`.

    A node that fails is a finding.

    Raises:
        UsageError: There is no such node.
        HostCannotRunError: The scheduler does not answer.
    """
    nodes = fleet.nodes()
    copies: list[NodeCopy] = []
    names, findings = usable(nodes)
    words = ("stage", reference, "--to", str(place.absolute()), "--persist", str(volume.root), "--json")
    asked = dict.fromkeys(names, words)
    for answer in ask_nodes(fleet, asked, volume=volume, deadline_s=deadline_s, reporter=reporter):
        finding = judge_node(answer, volume=volume)
        if finding is None:
            try:
                document = read_document(answer)
                copies.append(NodeCopy(answer.node, str(document["prefix"]), bool(document["reused"])))
            except (SettingsError, LookupError, TypeError):
                finding = unreadable(answer)
        if finding is not None:
            findings.append(finding)
    return FleetStaging(fleet.name, tuple(copies), in_order(findings, nodes))


def write_pool(detection: FleetDetection, path: Path) -> None:
    """Write the machines to a file that ``--hosts`` reads, one in a line.

    Raises:
        UsageError: The file cannot be written.
    """
    lines = [json.dumps({"name": name, "facts": host_to_json(host)}) for name, host in detection.machines.items()]
    try:
        write_atomic(path.absolute(), "".join(f"{line}\n" for line in lines))
    except OSError as error:
        hint = "Give another file with --output."
        raise UsageError(f"{path} cannot be written: {error.strerror}", hint=hint) from error

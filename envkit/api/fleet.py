"""fleet: ask the nodes of a cluster through an adapter."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from envkit.checks.fleet import down, failed, judge_answer, kinds_of, oddities
from envkit.errors import SettingsError, UsageError
from envkit.fleet.base import Fleet
from envkit.host.wire import host_from_json, host_to_json
from envkit.layout.atomic import write_atomic
from envkit.models.fleet import FleetDetection, FleetStaging, Node, NodeAnswer, NodeCopy, NodeFinding
from envkit.models.host import Host
from envkit.models.progress import Reporter

_SELF = (sys.executable, "-m", "envkit")  # the same path on each node, as in a home that they share


def detect_fleet(fleet: Fleet, *, deadline_s: float, reporter: Reporter) -> FleetDetection:
    """Ask each node what it can run, and judge the nodes beside one another.

    A node that does not answer is a finding.

    Raises:
        UsageError: There is no such node.
        HostCannotRunError: The scheduler does not answer.
    """
    nodes = fleet.nodes()
    machines: dict[str, Host] = {}
    findings = [down(node) for node in nodes if not node.usable]
    for answer in ask_nodes(fleet, nodes, ("detect", "--refresh", "--json"), deadline_s=deadline_s, reporter=reporter):
        finding = judge_answer(_told(answer))
        if finding is None:
            try:
                machines[answer.node] = host_from_json(read_document(answer), where=answer.node)
            except SettingsError:
                finding = failed(answer)
        if finding is not None:
            findings.append(finding)
    counted = {node.name: node.gpus for node in nodes if node.gpus is not None}
    findings += oddities(machines, counted)
    return FleetDetection(fleet.name, machines, kinds_of(machines), _in_order(findings, nodes))


def stage_fleet(
    fleet: Fleet, reference: str, place: Path, *, persist: Path, deadline_s: float, reporter: Reporter
) -> FleetStaging:
    """Copy an environment of a volume to a directory of each node's own disk; see `envkit.api.stage`.

    A node that fails is a finding.

    Raises:
        UsageError: There is no such node.
        HostCannotRunError: The scheduler does not answer.
    """
    nodes = fleet.nodes()
    copies: list[NodeCopy] = []
    findings = [down(node) for node in nodes if not node.usable]
    words = ("stage", reference, "--to", str(place.absolute()), "--persist", str(persist), "--json")
    for answer in ask_nodes(fleet, nodes, words, deadline_s=deadline_s, reporter=reporter):
        finding = judge_answer(_told(answer))
        if finding is None:
            try:
                document = read_document(answer)
                copies.append(NodeCopy(answer.node, str(document["prefix"]), bool(document["reused"])))
            except (SettingsError, LookupError, TypeError):
                finding = failed(answer)
        if finding is not None:
            findings.append(finding)
    return FleetStaging(fleet.name, tuple(copies), _in_order(findings, nodes))


def _told(answer: NodeAnswer) -> NodeAnswer:
    """Return an answer with the message of its document where that is an error."""
    try:
        return answer._replace(said=str(read_document(answer)["error"]["message"])[:300])
    except (SettingsError, LookupError, TypeError):
        return answer


def ask_nodes(
    fleet: Fleet, nodes: tuple[Node, ...], words: tuple[str, ...], *, deadline_s: float, reporter: Reporter
) -> tuple[NodeAnswer, ...]:
    """Run a command of envkit on each node that can be used, and tell how many have answered."""
    commands = {node.name: (*_SELF, *words) for node in nodes if node.usable}
    reporter.start("nodes", f"asking {len(commands)} nodes by {fleet.name}", total=len(commands))

    def heard(answer: NodeAnswer) -> None:
        reporter.advance("nodes", 1, text=answer.node)

    answers = fleet.ask(commands, deadline_s=deadline_s, heard=heard)
    ended = sum(answer.state == "ended" for answer in answers)
    reporter.finish("nodes", f"{ended} of {len(nodes)} nodes answered")
    return answers


def read_document(answer: NodeAnswer) -> Any:
    """Return the JSON document of an answer.

    Raises:
        SettingsError: It is none.
    """
    try:
        return json.loads(answer.stdout)
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{answer.node}: its answer is not JSON") from error


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


def _in_order(findings: list[NodeFinding], nodes: tuple[Node, ...]) -> tuple[NodeFinding, ...]:
    place = {node.name: index for index, node in enumerate(nodes)}
    return tuple(sorted(findings, key=lambda found: place[found.node]))

"""envkit fleet validate, envkit fleet join."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from envkit.cli import complete, options
from envkit.cli.declared import argument, option
from envkit.cli.fleet import Nodes, Passed, Via, fleet_of, gpus_words, render_node_findings
from envkit.cli.validate import level_of

if TYPE_CHECKING:
    from envkit.cli.output import Console
    from envkit.models.fleet import FleetValidation, NodeFinding


def fleet_validate_command(
    *,
    name: Annotated[str, argument(metavar="NAME", help="An environment.", complete=complete.names)],
    arguments: Passed = None,
    one_per_kind: Annotated[
        bool, option("--one-per-kind", help="Only on one node of each kind: driver, GPUs, platform.")
    ] = False,
    require_gpu: Annotated[
        bool, option("--require-gpu", help="A node without a GPU to prove a CUDA environment on is at fault.")
    ] = False,
    level: Annotated[
        str,
        option(
            metavar="LEVEL",
            help="driver, framework or collective, as in `envkit validate`; collective "
            "also over nodes, each two of them where all at once fail.",
        ),
    ] = "framework",
    via: Via = None,
    nodes: Nodes = None,
    persist: options.Persist = None,
    timeout: Annotated[float, option(minimum=1, metavar="SECONDS", help="Time limit for each check.")] = 300.0,
    deadline: Annotated[
        float,
        option(
            "--deadline",
            minimum=1,
            metavar="SECONDS",
            help="For all of it; a node that has not answered by then is named, not waited for.",
        ),
    ] = 600.0,
    as_json: options.Json = False,
    progress: options.ProgressOption = "auto",
) -> int:
    """Prove an environment on each node of a cluster, and name nodes that are slower than those like them.

    Exits 3 if the environment is at fault on some node; 4 if a node is, or gave no answer; else 0. In a prolog of Slurm
    or an init container, `--via local --require-gpu --deadline 60` proves the node itself: all but 0 keeps jobs off it.
    """
    from envkit.api.fleet_validate import FleetCheck, validate_fleet
    from envkit.cli.output import console, print_json
    from envkit.wire.fleet import fleet_validation_json

    check = FleetCheck(
        name,
        level_of(level),
        one_per_kind=one_per_kind,
        require_gpu=require_gpu,
        timeout_s=timeout,
        deadline_s=deadline,
    )
    session = options.session_of(persist, name=name, as_json=as_json, progress=progress)
    fleet = fleet_of(via, nodes, arguments or ())
    found = validate_fleet(fleet, check, volume=session.find_volume(), reporter=session.reporter)
    if as_json:
        print_json(fleet_validation_json(found))
    else:
        _render(console(), found)
    return exit_code_of(found.findings)


def fleet_join_command(
    *,
    name: Annotated[str, argument(metavar="NAME", help="An environment, or the path of one.", complete=complete.names)],
    at: Annotated[
        Path, option("--at", metavar="DIR", help="A folder of the volume with a plan, where nodes find one another.")
    ],
    node: Annotated[str, option("--node", metavar="NODE", help="The name of this node in the plan.")],
    persist: options.Persist = None,
    deadline: Annotated[float, option("--deadline", minimum=1, metavar="SECONDS", help="For all of it.")] = 600.0,
    as_json: options.Json = False,
) -> int:
    """Compute together with other nodes; `fleet validate --level collective` runs it on each.

    Exits 4 if an all-reduce with this node did not come out right.
    """
    from envkit.api.join import join_nodes
    from envkit.cli.output import console, mark, print_json

    session = options.session_of(persist, name=name, as_json=as_json)
    meetings = join_nodes(session.find_volume(), name, at.absolute(), node, deadline_s=deadline)
    if as_json:
        print_json({"meetings": [meeting.to_json() for meeting in meetings]})
        return 0
    out = console()
    for meeting in meetings:
        out.print(mark("{}: {} {}", ", ".join(meeting.nodes), meeting.state, meeting.said))
    return 0 if all(meeting.state == "right" for meeting in meetings) else 4


def _render(out: Console, found: FleetValidation) -> None:
    from envkit.cli.output import STATUS_STYLE, fitting, mark, table
    from envkit.host.wire import host_from_json
    from envkit.words.values import figure_words

    view = table("", "node", "GPUs", "driver", "took", "generation", whole=("node", "took", "generation"))
    for record in found.nodes:
        host = host_from_json(record.host) if record.host else None
        verdict = "fail" if record.verdict == "none" else record.verdict
        view.add_row(
            mark("[{0}]{1}[/{0}]", STATUS_STYLE[verdict], record.verdict),
            record.node,
            gpus_words(host) if host else "",
            str(host.driver_version or "none") if host else "",
            f"{record.seconds:.1f} s" if host else "",
            record.generation or "",
        )
    out.print(fitting(out, view, "generation", "driver"))
    render_node_findings(out, found.findings)
    for group in found.groups:
        speed = figure_words("all_reduce_bytes_per_s", group.whole.bytes_per_s)[1] if group.whole.bytes_per_s else ""
        state = group.whole.state if speed == "" else f"{group.whole.state}, {speed}"
        out.print(mark("all-reduce by {} over {} nodes: {}", group.backend, len(group.nodes), state))
    passed = sum(record.verdict == "pass" for record in found.nodes)
    out.print(mark("{} of {} nodes pass", passed, len(found.nodes)))


def exit_code_of(findings: Sequence[NodeFinding]) -> int:
    """Return 3 if the environment is at fault on some node, 4 if a node is, else 0."""
    failures = [one.finding for one in findings if one.finding.status == "fail"]
    return 3 if any(finding.blames == "environment" for finding in failures) else 4 if failures else 0

"""envkit fleet detect, envkit fleet stage."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from envkit.cli import complete, options
from envkit.cli.declared import argument, option
from envkit.errors import UsageError

if TYPE_CHECKING:
    from envkit.cli.output import Console
    from envkit.fleet.base import Fleet
    from envkit.models.fleet import HostKind, NodeFinding
    from envkit.models.host import Host

_SHOWN = 6

Via = Annotated[
    str | None,
    option(
        "--via",
        metavar="ENGINE",
        show_default="slurm where srun is, else local",
        help="What starts the commands: slurm, a Dask scheduler (dask://HOST:PORT or tls://HOST:PORT), or local for "
        "child processes of this machine.",
    ),
]
Nodes = Annotated[
    str | None,
    option("--nodes", metavar="LIST", show_default="all", help="Which nodes: n1,n2, and with slurm also n[1-64]."),
]
Deadline = Annotated[
    float,
    option(
        "--deadline",
        minimum=1,
        metavar="SECONDS",
        help="A node that has not answered by then is named, not waited for.",
    ),
]
Passed = Annotated[
    list[str] | None, argument(metavar="[-- SRUN-ARG]...", help="What srun is given besides: --account, --partition.")
]


def fleet_detect_command(
    *,
    arguments: Passed = None,
    via: Via = None,
    nodes: Nodes = None,
    output: Annotated[
        Path | None, option("-o", "--output", metavar="FILE", help="Write the machines for --hosts to FILE.")
    ] = None,
    persist: options.Persist = None,
    deadline: Deadline = 120.0,
    as_json: options.Json = False,
    progress: options.ProgressOption = "auto",
) -> int:
    """Ask each node what it can run; show kinds of machines, and what is odd.

    Exits 4 if a node gave no answer, or has lost a GPU; 0 if all is well.
    """
    from envkit.api.fleet import detect_fleet, write_pool
    from envkit.cli.output import console, mark, print_json
    from envkit.host.wire import host_to_json
    from envkit.wire.fleet import fleet_detection_json

    session = options.session_of(persist, as_json=as_json, progress=progress)
    fleet = fleet_of(via, nodes, arguments or ())
    found = detect_fleet(fleet, volume=session.volume, deadline_s=deadline, reporter=session.reporter)
    if output is not None:
        write_pool(found, output)
    if as_json:
        facts = {name: host_to_json(host) for name, host in found.machines.items()}
        print_json(fleet_detection_json(found, facts))
    else:
        out = console()
        _render_kinds(out, found.kinds)
        render_node_findings(out, found.findings)
        if output is not None:
            out.print(
                mark("{} has {} machines: [bold]envkit create --hosts {}[/bold]", output, len(found.machines), output)
            )
    return 4 if any(each.finding.status == "fail" for each in found.findings) else 0


def fleet_stage_command(
    *,
    name: Annotated[str, argument(metavar="NAME", help="An environment, or NAME@N.", complete=complete.names)],
    arguments: Passed = None,
    to: Annotated[
        Path | None,
        option("--to", metavar="DIR", show_default="ENVKIT_STAGE", help="A directory of each node's own disk."),
    ] = None,
    via: Via = None,
    nodes: Nodes = None,
    persist: options.Persist = None,
    deadline: Deadline = 1800.0,
    as_json: options.Json = False,
    progress: options.ProgressOption = "auto",
) -> int:
    """Copy an environment to the own disk of each node, where `run --stage` uses it.

    A node that has the copy keeps it. Exits 4 if a node has none in the end.
    """
    from envkit.api.fleet import stage_fleet
    from envkit.cli.output import console, print_json, table
    from envkit.cli.stage import stage_place
    from envkit.layout.generation import resolve
    from envkit.wire.fleet import fleet_staging_json

    place = to or stage_place()
    if place is None:
        raise UsageError("no directory to copy to", hint="Name one of the nodes' disks: --to DIR, or ENVKIT_STAGE.")
    session = options.session_of(persist, name=name, as_json=as_json, progress=progress)
    volume = session.find_volume()
    resolve(volume, name.partition("@")[0])
    fleet = fleet_of(via, nodes, arguments or (), gpus=False)
    found = stage_fleet(fleet, name, place, volume=volume, deadline_s=deadline, reporter=session.reporter)
    if as_json:
        print_json(fleet_staging_json(found))
    else:
        out = console()
        view = table("node", "", "copy")
        for copy in found.copies:
            view.add_row(copy.node, "was there" if copy.reused else "copied", copy.prefix)
        out.print(view)
        render_node_findings(out, found.findings)
    return 4 if found.findings else 0


def fleet_of(via: str | None, nodes: str | None, arguments: Sequence[str], *, gpus: bool = True) -> Fleet:
    """Return the fleet that the flags name; without `gpus`, no GPU has to be free.

    Raises:
        UsageError: There is none of that name, or not here.
    """
    from envkit.fleet.local import LocalFleet, split_names
    from envkit.fleet.slurm import has_slurm, in_prolog, make_slurm

    if arguments and not arguments[0].startswith("-"):
        raise UsageError(
            f"{arguments[0]!r}: what goes to srun begins with an option, after `--`",
            hint="Name nodes with --nodes; pass options on as in `-- --account=lab`.",
        )
    match via or ("slurm" if has_slurm() and not in_prolog(os.environ) else "local"):
        case "slurm":
            return make_slurm(nodes, arguments, gpus=gpus)
        case other if arguments:
            raise UsageError(f"--via {other} takes no options of srun", hint="Use --via slurm, or leave them out.")
        case "local":
            return LocalFleet(split_names(nodes) if nodes is not None else ())
        case address if "://" in address:
            from envkit.fleet.dask import DaskFleet, parse_dask

            return DaskFleet(parse_dask(address), split_names(nodes) if nodes is not None else ())
        case other:
            raise UsageError(f"--via {other!r} is not known", hint="slurm, dask://HOST:PORT, tls://HOST:PORT or local.")


def _render_kinds(out: Console, kinds: Sequence[HostKind]) -> None:
    from envkit.cli.output import fitting, table
    from envkit.words.values import ranges_words

    view = table("nodes", "GPUs", "driver", "up to CUDA", "platform", "which", whole=("driver",))
    for kind in kinds:
        host = kind.host
        view.add_row(
            str(len(kind.nodes)),
            gpus_words(host),
            str(host.driver_version or "none"),
            str(host.driver_cuda or "none"),
            f"{host.subdir}, glibc {host.glibc}" if host.glibc else host.subdir,
            ranges_words(kind.nodes, most=_SHOWN),
        )
    out.print(fitting(out, view, "platform", "up to CUDA"))


def gpus_words(host: Host) -> str:
    """Return the GPUs of a machine by kind: ``8 x H100 (9.0)``."""
    from envkit.words.values import gpu_words

    counts = Counter(gpu_words(gpu) for gpu in host.gpus)
    return ", ".join(f"{times} x {words}" for words, times in counts.items()) or "none"


def render_node_findings(out: Console, findings: Sequence[NodeFinding]) -> None:
    """Print findings by node, each failure with its cure below."""
    from envkit.cli.output import STATUS_STYLE, mark, table
    from envkit.words.cures import cure
    from envkit.words.say import say

    if not findings:
        return
    view = table("", "node", "what was seen", whole=("node",))
    for node, finding in findings:
        style = STATUS_STYLE[finding.status]
        view.add_row(mark("[{0}]{1}[/{0}]", style, finding.status), node, say(finding))
        if hint := cure(finding):
            view.add_row("", "", mark("[italic]{}[/italic]", hint))
    out.print(view)

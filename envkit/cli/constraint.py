"""envkit fleet constraint."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from envkit.cli import complete, options
from envkit.cli.declared import argument, option
from envkit.errors import UsageError


def fleet_constraint_command(
    *,
    name: Annotated[str, argument(metavar="NAME", help="An environment, or NAME@N.", complete=complete.names)],
    scheduler: Annotated[str, option("--for", metavar="SCHEDULER", help="slurm, kubernetes or htcondor.")],
    hosts: Annotated[
        list[Path] | None,
        option(
            "--hosts",
            metavar="FILE",
            help="What nodes are, from `fleet detect -o FILE`: with slurm, those that cannot run it are excluded.",
        ),
    ] = None,
    persist: options.Persist = None,
    as_json: options.Json = False,
) -> None:
    """Say in a scheduler's words which machines can run an environment.

    Options for srun and sbatch, a pod's affinity by the labels of GPU feature discovery, or commands of a submit file.
    What the words cannot express is said on stderr. Exits 4 if no node of the Slurm cluster here can run it.
    """
    from envkit.api.constraint import runs_where, scheduler_constraint
    from envkit.cli.output import console, literal, print_json
    from envkit.fleet.slurm import has_slurm, make_slurm
    from envkit.inputs.pool import read_pool
    from envkit.models.constraint import SCHEDULERS
    from envkit.wire.constraint import constraint_json
    from envkit.words.constraint import constraint_notes

    kind = next((known for known in SCHEDULERS if known == scheduler), None)
    if kind is None:
        raise UsageError(f"--for {scheduler!r} is not known", hint=f"One of {', '.join(SCHEDULERS)}.")
    if hosts and kind != "slurm":
        raise UsageError(
            "--hosts goes with --for slurm", hint=f"Leave --hosts out: {scheduler} knows its machines by their labels."
        )
    session = options.session_of(persist, name=name, as_json=as_json)
    rows = runs_where(session, name)
    fleet = make_slurm(None, (), gpus=False) if kind == "slurm" and has_slurm() else None
    found = scheduler_constraint(rows, kind, fleet=fleet, machines=read_pool(hosts) if hosts else {})
    if as_json:
        print_json(constraint_json(rows, found))
        return
    out = console(stderr=True)
    for note in constraint_notes(name, rows, found):
        out.print(literal(f"# {note}"))
    sys.stdout.write((" " if kind == "slurm" else "\n").join(found.lines) + "\n")

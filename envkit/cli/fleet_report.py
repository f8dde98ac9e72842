"""envkit fleet report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from envkit.cli import options
from envkit.cli.declared import option
from envkit.errors import UsageError


def fleet_report_command(
    *,
    output: Annotated[Path, option("-o", "--output", metavar="FILE", help="Where the page is written.")] = Path(
        "fleet.html"
    ),
    hosts: Annotated[
        list[Path] | None,
        option("--hosts", metavar="FILE", help="Show these machines of `fleet detect -o FILE`, too; repeatable."),
    ] = None,
    persist: options.Persist = None,
    as_json: options.Json = False,
) -> None:
    """Write one HTML page of a volume and its machines: what works where, figures, what to do.

    It shows what validations left on the volume; nobody is asked. The page loads nothing and can be sent on. With
    --json the same is printed, and no page is written.
    """
    from envkit.api.fleet_report import report_fleet
    from envkit.cli.output import console, mark, print_json
    from envkit.inputs.pool import read_pool
    from envkit.layout.atomic import write_atomic
    from envkit.pages.fleet import fleet_page
    from envkit.wire.fleet import fleet_report_json
    from envkit.words.values import plural

    session = options.session_of(persist, as_json=as_json)
    report = report_fleet(session.find_volume(), machines=read_pool(hosts) if hosts else {})
    if as_json:
        print_json(fleet_report_json(report))
        return
    try:
        write_atomic(output.absolute(), fleet_page(report))
    except OSError as error:
        hint = "Give another file with --output."
        raise UsageError(f"{output} cannot be written: {error.strerror}", hint=hint) from error
    grave = sum(task.finding.status == "fail" for task in report.tasks)
    console().print(
        mark(
            "[green]{}[/green]  {} on {} of machines, {}",
            str(output),
            plural(len(report.environments), "environment"),
            plural(len(report.kinds), "kind"),
            plural(grave, "failure"),
        )
    )

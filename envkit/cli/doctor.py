"""envkit doctor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from envkit.cli import options, which
from envkit.cli.declared import argument, option
from envkit.errors import UsageError

if TYPE_CHECKING:
    from envkit.models.care import Checkup

_UNHEALTHY = 6


def doctor_command(
    *,
    name: Annotated[
        str | None, argument(metavar="NAME|PREFIX", help="An environment, NAME@N, or a path: conda, pixi, venv.")
    ] = None,
    given: which.Name = None,
    prefix: which.Prefix = None,
    persist: options.Persist = None,
    full: Annotated[bool, option("--full", help="Hash every file, in the package cache too.")] = False,
    fix: Annotated[
        bool,
        option(
            "--fix",
            help="Repair: link damaged environments anew, validate again what was validated on another driver or GPU, "
            "open to others what the volume's directory lets them use.",
        ),
    ] = False,
    container: Annotated[
        bool,
        option(
            "--container",
            help="Check what the engine gave this container instead: GPUs, ports, the volume's mount and owners, "
            "/dev/shm, clock, certificates, space; and whether the channels answer.",
        ),
    ] = False,
    offline: options.Offline = False,
    timeout: options.Timeout = None,
    as_json: options.Json = False,
    progress: options.ProgressOption = "auto",
) -> int:
    """Check environments and the volume; exit 6 if anything is wrong."""
    if container:
        from envkit.api.container import check_container

        if name or given or prefix or fix or full:
            raise UsageError(
                "--container looks at the container, not at environments, and mends nothing",
                hint="Leave out what is beside it; --persist names the volume.",
            )
        return _show(check_container(options.session_of(persist, offline=offline)), as_json=as_json)
    from envkit.api.doctor import doctor

    if name or given or prefix:  # else the whole volume
        name = which.anything(name, given, prefix)
    session = options.session_of(
        persist, name=name, offline=offline, timeout_s=timeout, as_json=as_json, progress=progress
    )
    alone = name is not None and "/" in name and persist is None
    return _show(doctor(session, name, full=full, fix=fix, alone=alone), as_json=as_json)


def _show(result: Checkup, *, as_json: bool) -> int:
    from envkit.cli.output import console, mark, print_json
    from envkit.cli.validate import render_findings
    from envkit.wire.volume import checkup_json
    from envkit.words.say import say

    full = result.full
    code = 0 if result.healthy else _UNHEALTHY
    if as_json:
        print_json(checkup_json(result))
        return code
    out = console()
    for subject in result.subjects:
        out.print(mark("[bold]{}[/bold]  {}", subject.name, subject.path))
        out.print(render_findings(subject.findings))
    for repair in result.mended:
        out.print(mark("[green]mended[/green]  {}", say(repair)))
    warned = any(f.status == "warn" for subject in result.subjects for f in subject.findings)
    verdict = "[red]something is wrong[/red]"
    if result.healthy:
        verdict = "[green]healthy[/green], with warnings" if warned else "[green]healthy[/green]"
    out.print(mark(verdict + " ({})", f"{result.seconds:.1f} s{', every file hashed' if full else ''}"))
    return code

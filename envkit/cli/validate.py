"""envkit validate."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from envkit.cli import options, which
from envkit.cli.declared import option
from envkit.cli.target import Described, TargetFlags, describe
from envkit.errors import UsageError

if TYPE_CHECKING:
    from envkit.api.session import Session
    from envkit.cli.tables import Table
    from envkit.layout.volume import Volume
    from envkit.models.host import Host
    from envkit.models.probe import Level
    from envkit.models.report import Finding, Report

_MARGIN_S = (
    1.5  # for what comes before and after the checks: the start of Python, the reading of files, the end of children
)


def validate_command(
    *,
    name: which.AnyArgument = None,
    given: which.Name = None,
    prefix: which.Prefix = None,
    persist: options.Persist = None,
    html: Annotated[
        Path | None, option("--html", metavar="FILE", help="Write the report as one HTML page, too.")
    ] = None,
    level: Annotated[
        str | None,
        option(
            metavar="LEVEL",
            show_default="of its recipe, else framework",
            help="driver: the GPU itself; framework: also what is installed; collective: also several processes "
            "together, and torch.compile on the CPU.",
        ),
    ] = None,
    device: Annotated[
        list[str] | None, option("--device", metavar="N|UUID|cpu", help="Only this GPU, or none; repeatable.")
    ] = None,
    gpu: TargetFlags.gpu = None,
    cuda_arch: TargetFlags.cuda_arch = None,
    driver: TargetFlags.driver = None,
    profile: options.ProfileOption = None,
    timeout: Annotated[float, option(minimum=1, metavar="SECONDS", help="Time limit for each check.")] = 300.0,
    deadline: Annotated[
        float | None,
        option(
            minimum=1,
            metavar="SECONDS",
            help="Answer by then, for health checks: what is not checked by then fails (exit 4).",
        ),
    ] = None,
    as_json: options.Json = False,
    progress: options.ProgressOption = "auto",
) -> int:
    """Prove that an environment computes on this host, or say why not.

    With --gpu or --driver, judge it for that machine by what its files hold; nothing is run, and no GPU is needed.
    """
    from envkit.api.examine import ValidateOptions
    from envkit.api.validate import validate_environment
    from envkit.cli.output import STATUS_STYLE, console, mark, print_json
    from envkit.cli.progress import make_reporter
    from envkit.host.wire import host_to_json
    from envkit.wire.results import validate_json

    until = None if deadline is None else time.monotonic() + max(deadline - _MARGIN_S, deadline / 2)
    name = which.anything(name, given, prefix)
    volume = None
    if "/" not in name or persist is not None:
        volume = options.session_of(persist, name=name).find_volume()
    if gpu or cuda_arch or driver:
        _refuse_runs(level, device, html)
        flags = Described(None, driver, gpu or (), cuda_arch or (), None, no_gpu=False)
        session = options.session_of(persist, name=name, as_json=as_json, progress=progress)
        return _foresee(session, name, volume, flags, profile=profile, as_json=as_json)
    reporter = make_reporter("none" if as_json and progress == "auto" else progress)
    result = validate_environment(
        name,
        volume=volume,
        reporter=reporter,
        options=ValidateOptions(None if level is None else level_of(level), tuple(device or ()), timeout, until),
        profile=profile,
    )
    report = result.report
    if html is not None:
        from envkit.cli.page import write_page
        from envkit.pages.validation import validation_page

        write_page(html, lambda _: validation_page(result), reporter)
    if as_json:
        print_json(validate_json(result, host_to_json(result.host)))
    else:
        out = console()
        out.print(mark("[bold]{}[/bold] on {}", report.prefix, _host(result.host)))
        out.print(render_findings(report.findings))
        style = STATUS_STYLE[report.verdict]
        told = f"{len(report.findings)} checks in {report.seconds:.1f} s"
        out.print(mark("[{0}]{1}[/{0}]  {2}", style, report.verdict, told))
    return exit_code(report)


def _refuse_runs(level: str | None, device: Sequence[str] | None, html: Path | None) -> None:
    """Refuse flags that are about running something."""
    given = {"--level": level is not None, "--device": bool(device), "--html": html is not None}
    if any(given.values()):
        flag = next(name for name, there in given.items() if there)
        raise UsageError(
            f"{flag} and a machine that is described exclude each other: nothing is run for it",
            hint="Leave out --gpu, --cuda-arch and --driver to validate on this host.",
        )


def _foresee(
    session: Session, name: str, volume: Volume | None, flags: Described, *, profile: str | None, as_json: bool
) -> int:
    """Judge an environment for a machine that is described; return the exit code."""
    from envkit.api.foresee import foresee_environment
    from envkit.cli.inspection import render_code
    from envkit.cli.output import STATUS_STYLE, console, mark, print_json
    from envkit.wire.inspection import foreseen_json
    from envkit.words.values import plural, target_words

    target, _ = describe(session, None, flags)
    found = foresee_environment(name, target, volume=volume, reporter=session.reporter, profile=profile)
    report = found.report
    if as_json:
        print_json(foreseen_json(found))
        return exit_code(report)
    out = console()
    out.print(mark("[bold]{}[/bold] for {}", report.prefix, target_words(target)))
    render_code(out, found.inspection, by_package=len(found.inspection.packages) > 1)
    out.print(render_findings(report.findings))
    told = f"by {plural(len(found.inspection.libraries), 'file')} with code for GPUs, in {report.seconds:.1f} s"
    out.print(mark("[{0}]{1}[/{0}]  {2}", STATUS_STYLE[report.verdict], report.verdict, told))
    return exit_code(report)


def exit_code(report: Report | None) -> int:
    """Return 3 if the environment is at fault, 4 if the host is, else 0."""
    if report is None or report.verdict != "fail":
        return 0
    return 3 if report.blaming("environment") else 4


def _host(host: Host) -> str:
    """Return one line on the machine."""
    gpus = ", ".join(f"{gpu.name} ({gpu.compute_capability})" for gpu in host.gpus)
    if gpus:
        return f"{gpus}, driver {host.driver_version}, up to CUDA {host.driver_cuda}"
    if not host.nvidia_traces:
        return f"{host.subdir} without a usable NVIDIA GPU"
    from envkit.words.values import plural

    first, *others = host.nvidia_traces  # the first says most
    more = f", and {plural(len(others), 'sign')} more in `envkit detect`" if others else ""
    return f"{host.subdir} without a usable NVIDIA GPU (yet {first}{more})"


def level_of(text: str) -> Level:
    """Return the level that a flag names.

    Raises:
        UsageError: There is none of that name.
    """
    match text:
        case "driver" | "framework" | "collective":
            return text
        case _:
            raise UsageError(f"--level {text!r} is not known", hint="driver, framework or collective.")


def render_findings(findings: Sequence[Finding]) -> Table:
    """Return findings as a table, each failure with its cure below."""
    from envkit.cli.output import STATUS_STYLE, mark, table
    from envkit.words.cures import cure
    from envkit.words.say import say

    view = table("", "check", "what was seen")
    for finding in findings:
        style = STATUS_STYLE[finding.status]
        blames = mark(" [dim](the {} is at fault)[/dim]", finding.blames) if finding.blames else ""
        view.add_row(mark("[{0}]{1}[/{0}]", style, finding.status), finding.check, mark("{}{}", say(finding), blames))
        if hint := cure(finding):
            view.add_row("", "", mark("[italic]{}[/italic]", hint))
    return view

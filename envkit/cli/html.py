"""The report as one HTML page, which loads nothing and escapes all text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from envkit.cli.page import badge, facts, grid, page, section, text, text_grid
from envkit.models.host import Host
from envkit.models.manifest import PastValidation, ValidationRecord
from envkit.models.report import Finding, Report
from envkit.models.results import ValidateResult
from envkit.words.cures import cure
from envkit.words.say import say
from envkit.words.values import figure_words


def render_html(result: ValidateResult) -> str:
    """Return the page: verdict, environment, host, findings, figures, history."""
    report, host = result.report, result.host
    title = f"{result.environment or report.prefix}: {report.verdict}"
    parts = [
        f"<h1>{badge(report.verdict)} {text(result.environment or report.prefix)}</h1>",
        f"<p>{text(_summary(report))}</p>",
        section("Environment", facts(_environment_facts(result))),
        section("Host", facts(_host_facts(host))),
        section("Findings", _findings(report.findings)),
    ]
    if report.figures:
        figures = [(check, *figure_words(name, value)) for check, name, value in report.figures]
        parts.append(section("Figures", text_grid(("check", "what", "measured"), figures, right=2)))
    if result.history:
        rows = [_past(past, record) for past, record in result.history]
        parts.append(section("History", text_grid(("when", "verdict", "driver", "GPUs", "kind of host"), rows)))
    return page(title, parts, report.created)


def _summary(report: Report) -> str:
    counts = {status: sum(f.status == status for f in report.findings) for status in ("pass", "fail", "warn", "skip")}
    told = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    where = "computed on a GPU" if report.on_gpu else "nothing was computed on a GPU"
    return f"{len(report.findings)} checks ({told}) in {report.seconds:.1f} s; {where}"


def _environment_facts(result: ValidateResult) -> Iterable[tuple[str, object]]:
    yield "prefix", result.report.prefix
    manifest = result.manifest
    if manifest is None:
        return
    yield "asked for", " ".join(manifest.request.specs)
    yield "created", f"{manifest.created} by envkit {manifest.envkit_version}"
    yield "channels", ", ".join(manifest.channels)
    if manifest.choice:
        yield "build", f"{manifest.choice.get('fn')} ({manifest.choice.get('tier')})"
    yield "packages", f"{len(manifest.packages)}, digest {manifest.digest}"


def _host_facts(host: Host) -> Iterable[tuple[str, object]]:
    yield "platform", host.subdir
    yield "driver", host.driver_version
    yield "up to CUDA", host.driver_cuda
    yield "GPUs", "; ".join(f"{gpu.name} ({gpu.compute_capability})" for gpu in host.gpus) or "none"
    yield "signs of NVIDIA", ", ".join(host.nvidia_traces)
    yield "glibc", host.glibc
    yield "processor", host.microarch
    yield "container", host.container
    yield "WSL", "yes" if host.wsl else ""
    yield "Jetson", host.jetson
    yield "macOS", host.osx
    yield "fingerprint", host.fingerprint


def _findings(findings: Sequence[Finding]) -> str:
    rows = []
    for finding in findings:
        seen = text(say(finding))
        if finding.blames and finding.status != "pass":
            seen += f' <span class="dim">(the {text(finding.blames)} is at fault)</span>'
        if finding.code and finding.status != "pass":
            seen += f" <code>{text(finding.code)}</code>"
        if hint := cure(finding):
            seen += f' <em class="cure">{text(hint)}</em>'
        rows.append(f"<td>{badge(finding.status)}</td><td>{text(finding.check)}</td><td>{seen}</td>")
    return grid(("", "check", "what was seen"), rows)


def _past(past: PastValidation, record: ValidationRecord) -> tuple[object, ...]:
    gpus = ", ".join(sorted({str(gpu.get("name")) for gpu in record.host.get("gpus") or ()}))
    return past.created, past.verdict, record.host.get("driver_version") or "none", gpus or "none", record.fingerprint

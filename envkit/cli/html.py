"""The report as one HTML page, which loads nothing and escapes all text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from envkit import __version__
from envkit.models.host import Host
from envkit.models.manifest import PastValidation, ValidationRecord
from envkit.models.report import Finding, Report
from envkit.models.results import ValidateResult
from envkit.printable import printable
from envkit.words.cures import cure
from envkit.words.say import say
from envkit.words.values import figure_words

_STYLE = """
:root{color-scheme:light dark;--line:#8883;--dim:#8889}
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;padding:0 1rem;max-width:72rem}
h1{font-size:1.4rem;overflow-wrap:anywhere} h2{font-size:1.05rem;margin:2rem 0 .5rem}
table{border-collapse:collapse;width:100%} td,th{text-align:left;vertical-align:top;padding:.3rem .8rem .3rem 0;
border-bottom:1px solid var(--line);overflow-wrap:anywhere}
th{font-weight:600} tbody th{width:9rem} td.n{text-align:right;white-space:nowrap}
.b{display:inline-block;min-width:3rem;text-align:center;border-radius:.3rem;padding:0 .4rem;color:#fff;font-size:.85em}
.pass{background:#1a7f37}.fail{background:#cf222e}.warn{background:#9a6700}.skip{background:#57606a}
.cure{display:block}.dim,footer{color:var(--dim)} code{font-size:.9em}
"""


def render_html(result: ValidateResult) -> str:
    """Return the page: verdict, environment, host, findings, figures, history."""
    report, host = result.report, result.host
    title = f"{result.environment or report.prefix}: {report.verdict}"
    parts = [
        f"<h1>{_badge(report.verdict)} {_text(result.environment or report.prefix)}</h1>",
        f"<p>{_text(_summary(report))}</p>",
        _section("Environment", _facts(_environment_facts(result))),
        _section("Host", _facts(_host_facts(host))),
        _section("Findings", _findings(report.findings)),
    ]
    if report.figures:
        figures = [(check, *figure_words(name, value)) for check, name, value in report.figures]
        parts.append(_section("Figures", _table(("check", "what", "measured"), figures, right=2)))
    if result.history:
        rows = [_past(past, record) for past, record in result.history]
        parts.append(_section("History", _table(("when", "verdict", "driver", "GPUs", "kind of host"), rows)))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        # In case something slips through the escaping: the browser runs and loads nothing.
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{_text(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(parts)
        + f"\n<footer><p>envkit {_text(__version__)}, {_text(report.created)}</p></footer>\n</body>\n</html>\n"
    )


def _text(value: object) -> str:
    return escape(printable(str(value)), quote=True)


def _badge(status: str) -> str:
    return f'<span class="b {_text(status)}">{_text(status)}</span>'


def _section(title: str, content: str) -> str:
    return f"<section>\n<h2>{_text(title)}</h2>\n{content}\n</section>"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]], *, right: int | None = None) -> str:
    lines = []
    for row in rows:
        cells = (f"<td{' class=n' if index == right else ''}>{_text(cell)}</td>" for index, cell in enumerate(row))
        lines.append("".join(cells))
    return _grid(head, lines)


def _grid(head: Sequence[str], rows: Iterable[str]) -> str:
    """Return a table of rows whose cells are HTML."""
    names = "".join(f"<th>{_text(name)}</th>" for name in head)
    lines = ["<table>", f"<thead><tr>{names}</tr></thead>", "<tbody>", *(f"<tr>{row}</tr>" for row in rows)]
    return "\n".join([*lines, "</tbody>", "</table>"])


def _facts(facts: Iterable[tuple[str, object]]) -> str:
    rows = (f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>" for name, value in facts if value)
    return "<table><tbody>\n" + "\n".join(rows) + "\n</tbody></table>"


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
        seen = _text(say(finding))
        if finding.blames and finding.status != "pass":
            seen += f' <span class="dim">(the {_text(finding.blames)} is at fault)</span>'
        if finding.code and finding.status != "pass":
            seen += f" <code>{_text(finding.code)}</code>"
        if hint := cure(finding):
            seen += f' <em class="cure">{_text(hint)}</em>'
        rows.append(f"<td>{_badge(finding.status)}</td><td>{_text(finding.check)}</td><td>{seen}</td>")
    return _grid(("", "check", "what was seen"), rows)


def _past(past: PastValidation, record: ValidationRecord) -> tuple[object, ...]:
    gpus = ", ".join(sorted({str(gpu.get("name")) for gpu in record.host.get("gpus") or ()}))
    return past.created, past.verdict, record.host.get("driver_version") or "none", gpus or "none", record.fingerprint

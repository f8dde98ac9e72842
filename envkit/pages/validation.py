"""The page of ``envkit validate --html``: verdict, environment, host, findings, figures beside their peaks, history."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from envkit.cuda.peaks import peak_of
from envkit.models.host import Host
from envkit.models.manifest import Manifest, PastValidation, ValidationRecord
from envkit.models.report import Finding, Report
from envkit.models.results import ValidateResult
from envkit.pages.frame import render_page
from envkit.tuples import NamedTuple
from envkit.words.cures import cure
from envkit.words.say import say
from envkit.words.values import figure_words

_STATES = {"pass": "passed", "fail": "failed", "skip": "not proven"}
_SHOWN = 60  # validations in the strip


class _Finding(NamedTuple):
    status: str
    check: str
    said: str
    blames: str | None
    code: str | None
    cure: str | None


class _Figure(NamedTuple):
    what: str
    value: str
    peak: str | None
    share: float
    part: str


def validation_page(result: ValidateResult) -> str:
    """Return the page."""
    report, host = result.report, result.host
    name = result.environment or report.prefix
    gpus = {gpu.name for gpu in host.gpus}
    gpu = next(iter(gpus)) if len(gpus) == 1 else None
    past = list(reversed(result.history[:_SHOWN]))
    return render_page(
        "validation.html",
        title=f"{name}: {report.verdict}",
        created=report.created,
        name=name,
        report=report,
        summary=_summary(report),
        environment=_filled(environment_facts(result.manifest, report.prefix)),
        host=_filled(_host_facts(host)),
        findings=[_finding(finding) for finding in report.findings],
        first=[_finding(finding) for finding in report.findings if finding.status in {"fail", "warn"}],
        figures=sorted((_figure(gpu if report.on_gpu else None, *f) for f in report.figures), key=lambda f: not f.peak),
        gpu=gpu,
        strip_of=[(moment.created, moment.verdict) for moment, _ in past],
        history=[_past(*one) for one in result.history],
        states=_STATES,
    )


def environment_facts(manifest: Manifest | None, prefix: str) -> Iterable[tuple[str, object]]:
    """Return what an environment is, as names and values; some may be empty."""
    yield "prefix", prefix
    if manifest is None:
        return
    yield "asked for", " ".join(manifest.request.specs)
    yield "created", f"{manifest.created} by envkit {manifest.envkit_version}"
    yield "channels", ", ".join(manifest.channels)
    if manifest.choice:
        yield "build", f"{manifest.choice.get('fn')} ({manifest.choice.get('tier')})"
    yield "packages", f"{len(manifest.packages)}, digest {manifest.digest}"


def _filled(facts: Iterable[tuple[str, object]]) -> list[tuple[str, object]]:
    return [(name, value) for name, value in facts if value]


def _summary(report: Report) -> str:
    counts = {status: sum(f.status == status for f in report.findings) for status in ("pass", "fail", "warn", "skip")}
    told = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    where = "computed on a GPU" if report.on_gpu else "nothing was computed on a GPU"
    return f"{len(report.findings)} checks ({told}) in {report.seconds:.1f} s; {where}"


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


def _finding(finding: Finding) -> _Finding:
    bad = finding.status != "pass"
    blames, code = (finding.blames, finding.code) if bad else (None, None)
    return _Finding(finding.status, finding.check, say(finding), blames, code and str(code), cure(finding))


def _figure(gpu: str | None, check: str, name: str, value: float) -> _Figure:
    what, text = figure_words(name, value)
    peak = None if check.endswith(" cpu") else peak_of(gpu, name)
    what = f"{check.replace('.throughput', '')}: {what}"
    share = min(1.0, value / peak) if peak else 0.0
    part = f"{100 * value / peak:.0f} %" if peak else ""
    return _Figure(what, text, figure_words(name, peak)[1] if peak else None, share, part)


def _past(past: PastValidation, record: ValidationRecord) -> Sequence[str]:
    gpus = ", ".join(sorted({str(gpu.get("name")) for gpu in record.host.get("gpus") or ()}))
    driver = str(record.host.get("driver_version") or "none")
    return past.created, past.verdict, driver, gpus or "none", record.fingerprint

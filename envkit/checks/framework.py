"""What the probe of a framework saw, as findings: the part that is the same for all of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from envkit.checks.gpu_errors import classify_error
from envkit.checks.interpreter import describe_ending, stderr_hint
from envkit.checks.tolerance import tolerance
from envkit.frameworks.row import FrameworkRow
from envkit.models.probe import ProbeOutcome
from envkit.models.report import Finding, describe_figure

__all__ = ["Gpus", "Run", "framework_findings"]

GpuState = Literal["ok", "failed", "none", "unasked"]

_TITLES = {
    "matmul": "matrix product",
    "bf16": "matrix product in bfloat16",
    "conv": "convolution",
    "regression-gradient": "gradient of a linear regression",
    "attention-gradient": "gradients of attention",
    "compile": "compiled function",
    "throughput": "throughput",
    "kernel": "kernel of its own",
    "all-reduce": "all-reduce",
    "ddp-gradient": "gradient over all processes",
}
_OPTIONAL = {"compile", "throughput"}
"""What a framework works without: a failure warns."""


@dataclass(frozen=True, slots=True)
class Gpus:
    """What is known of the GPUs before a framework is asked.

    Attributes:
        state: ``ok``: the driver level computed on them. ``failed``: it did not. ``none``: this host has none that CUDA
            can use. ``unasked``: the user wants the CPU.
        count: How many a framework should see.
    """

    state: GpuState
    count: int = 0


@dataclass(frozen=True, slots=True)
class Run:
    """The facts of one framework's probe; every part may be missing."""

    framework: FrameworkRow
    outcome: ProbeOutcome
    gpus: Gpus

    @property
    def build(self) -> Mapping[str, object]:
        """What the framework says of its build."""
        return _mapping(self.outcome.facts.get("build"))

    @property
    def devices(self) -> list[Mapping[str, object]]:
        """What it sees."""
        return [_mapping(device) for device in _list(self.outcome.facts.get("devices"))]

    @property
    def checks(self) -> list[Mapping[str, object]]:
        """What it computed."""
        return [_mapping(check) for check in _list(self.outcome.facts.get("checks"))]

    @property
    def version(self) -> str:
        """The framework's version."""
        return str(self.outcome.facts.get("version") or "of unknown version")

    def device(self, name: object) -> Mapping[str, object]:
        """What is known of a device."""
        return next((device for device in self.devices if device.get("id") == name), {})

    def where(self, name: object) -> str:
        """A device, as people call it."""
        if name == "cpu":
            return "the CPU"
        called = self.device(name).get("name")
        return f"{called} ({name})" if called else str(name)


def framework_findings(
    run: Run, *, identity: str, for_gpu: bool, extra: Mapping[str, Sequence[Finding]] | None = None
) -> list[Finding]:
    """The findings of one framework.

    Args:
        run: What its probe came back with.
        identity: What the build is, in words.
        for_gpu: Whether it is a build for NVIDIA GPUs.
        extra: More findings, by the device before whose checks they stand.
    """
    key, title = run.framework.key, run.framework.title
    findings: list[Finding] = []
    if run.outcome.facts.get("version"):
        data = {"version": run.outcome.facts.get("version"), "build": dict(run.build)}
        findings.append(Finding(key, "pass", None, f"{title} {run.version}: {identity}", data=data))
    seen: set[str] = set()
    for record in run.checks:
        device = str(record.get("device"))
        if device not in seen:
            seen.add(device)
            findings += (extra or {}).get(device, ())
        findings += _record_findings(run, record)
    if run.outcome.state != "done":
        findings.append(_ending(run))
    elif for_gpu:
        findings += _gpu_findings(run)
    elif run.gpus.state == "ok" and not any(device.get("kind") == "gpu" for device in run.devices):
        findings += _cpu_build(run)
    return findings


def _cpu_build(run: Run) -> Iterator[Finding]:
    """A build for the CPU in an environment that is meant for a GPU."""
    if run.framework.gpu_is_optional or not run.outcome.facts.get("version"):  # processes together: told already
        return
    title, package = run.framework.title, run.framework.compiled
    text = f"{title} is a build for the CPU, in an environment with CUDA builds: it does not use the GPU"
    hint = f"If it should: `envkit find {package} --cuda auto` shows the builds that do."
    yield Finding(f"{run.framework.key}.gpu", "warn", "cpu-build", text, "environment", hint)


def _gpu_findings(run: Run) -> Iterator[Finding]:
    """What kept a build for GPUs from them."""
    key, title = run.framework.key, run.framework.title
    gpus = [device for device in run.devices if device.get("kind") == "gpu"]
    match run.gpus.state:
        case "none":
            text = f"{title} {run.version} was not run on a GPU: there is none here; what is above ran on the CPU"
            hint = "Run `envkit validate` again on the machine with the GPU."
            yield Finding(f"{key}.gpu", "skip", "no-gpu", text, hint=hint)
        case "failed":
            text = f"{title} was not run on the GPU: the driver level failed, see above"
            yield Finding(f"{key}.gpu", "skip", "driver-failed", text, hint="Cure what the driver level found first.")
        case "unasked":
            text = f"{title} was run on the CPU only, as asked"
            yield Finding(f"{key}.gpu", "skip", "gpu-not-asked", text, hint="Leave `--device cpu` out.")
        case "ok":
            if 0 < len(gpus) < run.gpus.count:
                text = f"{title} sees {len(gpus)} of {run.gpus.count} GPUs"
                hint = "Compare CUDA_VISIBLE_DEVICES with `nvidia-smi -L`."
                yield Finding(f"{key}.devices", "warn", "gpus-missing", text, "environment", hint)
            elif not gpus and not any(record.get("check") == "devices" for record in run.checks):
                yield _sees_none(run, "it does not say why")


def _sees_none(run: Run, error: str) -> Finding:
    title, count = run.framework.title, run.gpus.count
    what = classify_error(error)
    hint = what.hint if what.code in {"driver-too-old", "no-kernel-image"} else _sees_none_hint(run)
    return Finding(
        f"{run.framework.key}.devices",
        "warn" if run.framework.gpu_is_optional else "fail",
        f"{run.framework.key}-sees-no-gpu",
        f"the driver level computed on {count} GPU{'s' if count != 1 else ''} and {title} sees none: {error}",
        what.blames,
        hint,
    )


def _sees_none_hint(run: Run) -> str:
    return (
        f"The build does not fit this host, or a CUDA library of the environment is not found: "
        f"`envkit find {run.framework.compiled}` shows builds that run here."
    )


def _record_findings(run: Run, record: Mapping[str, object]) -> Iterator[Finding]:
    check, device = str(record.get("check")), record.get("device")
    name = f"{run.framework.key}.{check}" + (f" {device}" if device else "")
    if check == "devices":
        if record.get("outcome") == "error":
            yield _sees_none(run, str(record.get("error")))
        return
    title = f"{_TITLES.get(check, check)}" + (f" on {run.where(device)}" if device else "")
    on_gpu = run.device(device).get("kind") == "gpu"
    data: dict[str, object] = {"device": device, "gpu": on_gpu, "seconds": record.get("elapsed_s")}
    match record.get("outcome"):
        case "ok":
            yield _computed(name, check, title, _mapping(record.get("detail")), data)
        case "skipped":
            yield Finding(name, "skip", "not-applicable", f"{title}: {record.get('reason')}", data=data)
        case _:
            error = str(record.get("error"))
            what = classify_error(error)
            yield Finding(
                name,
                "warn" if check in _OPTIONAL else "fail",
                f"{check}-failed" if check in _OPTIONAL else what.code,
                f"{title} failed: {error}",
                what.blames,
                what.hint,
                {**data, "error_type": record.get("error_type")},
            )


def _computed(name: str, check: str, title: str, detail: Mapping[str, object], data: dict[str, object]) -> Finding:
    """A check that ran: right, wrong, or a figure."""
    figures = _mapping(detail.get("figures"))
    if "relative_error" not in detail:
        return Finding(name, "pass", None, f"{title}: {_rates(figures) or 'done'}", data={**data, **detail})
    error, terms = detail["relative_error"], detail.get("terms")
    limit = tolerance(check, str(detail.get("arithmetic")), terms if isinstance(terms, int) else 0)
    data = {**data, **detail, "tolerance": limit}
    rates = f", {_rates(figures)}" if figures else ""
    if isinstance(error, (int, float)) and math.isfinite(error) and error <= limit:
        exact = "exact" if limit == 0 else f"relative error {error:.1e}, at most {limit:.1e}"
        return Finding(name, "pass", None, f"{title}: {exact}{rates}", data=data)
    worst = _mapping(detail.get("worst"))
    measured = f"{error:.3g}" if isinstance(error, (int, float)) else str(error)
    return Finding(
        name,
        "fail",
        "wrong-result",
        f"{title} is wrong: relative error {measured}, at most {limit:.1e}; entry {worst.get('index')} is "
        f"{worst.get('found')} instead of {worst.get('expected')}",
        "environment",
        "Do not trust this environment on this machine. Make it again; if it stays, the hardware is suspect.",
        data,
    )


def _rates(figures: Mapping[str, object]) -> str:
    """Figures as people read them."""
    told = [describe_figure(name, value) for name, value in figures.items() if isinstance(value, int | float)]
    return ", ".join(f"{number} {what.removeprefix('matmul ')}" for what, number in told)


def _ending(run: Run) -> Finding:
    """The finding of a probe that did not end as it should."""
    key, title, outcome = run.framework.key, run.framework.title, run.outcome
    step = outcome.last_step
    data = {"stderr": outcome.stderr_tail[-2000:], "elapsed_s": round(outcome.elapsed_s, 3)}
    if step is None or step.check == "import":
        code = {"crashed": "import-crashed", "timed-out": "import-hung"}.get(outcome.state, "import-failed")
        text = f"importing {run.framework.module} {describe_ending(outcome)}"
        hint = stderr_hint(outcome, "See the finding on files; make the environment again.")
        return Finding(f"import {run.framework.module}", "fail", code, text, "environment", hint, data)
    ending = {"crashed": "crashed", "timed-out": "hung"}.get(outcome.state, "failed")
    hint = (
        "Give it more time (`--timeout`), or see the findings above." if ending == "hung" else "See the findings above."
    )
    text = f"{title} {describe_ending(outcome)} in {step.call}"
    return Finding(
        f"{key}.{step.check}", "fail", f"{key}-{ending}", text, "environment", stderr_hint(outcome, hint), data
    )


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []

"""Judge the probe of a framework: the part that is the same for all of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from envkit.checks.gpu_errors import classify_error, lacking_package, missing_cudnn
from envkit.checks.interpreter import ending_of, foreign_finding, import_ending, said_last
from envkit.checks.tolerance import tolerance
from envkit.frameworks.row import FrameworkRow
from envkit.models.codes.driver import WRONG_RESULT
from envkit.models.codes.frameworks import (
    COMPILE_FAILED,
    COMPUTE_FAILED,
    COMPUTED,
    COMPUTED_RIGHT,
    COMPUTED_WRONG,
    CPU_BUILD,
    CUDA_LIBRARY_ELSEWHERE,
    CUDNN_INCOMPLETE,
    DRIVER_FAILED,
    FRAMEWORK_CRASHED,
    FRAMEWORK_DEVICE,
    FRAMEWORK_FAILED,
    FRAMEWORK_HUNG,
    FRAMEWORK_STEP,
    GPU_NOT_ASKED,
    GPUS_MISSING,
    NO_GPU,
    NOT_APPLICABLE,
    NOTHING_COMPUTED,
    PACKAGES_DISAGREE,
    SEES_NO_GPU,
    THROUGHPUT_FAILED,
)
from envkit.models.fact import Code, Fact
from envkit.models.probe import ProbeOutcome, list_of, mapping_of
from envkit.models.report import Finding
from envkit.values import dataclass, replace

GpuState = Literal["ok", "failed", "none", "unasked"]


@dataclass(frozen=True, slots=True)
class Gpus:
    """The state of the GPUs before a framework is asked.

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
        """The framework's own facts about its build."""
        return mapping_of(self.outcome.facts.get("build"))

    @property
    def devices(self) -> list[Mapping[str, object]]:
        """The devices that it sees."""
        return [mapping_of(device) for device in list_of(self.outcome.facts.get("devices"))]

    @property
    def checks(self) -> list[Mapping[str, object]]:
        """The checks that it computed."""
        return [mapping_of(check) for check in list_of(self.outcome.facts.get("checks"))]

    @property
    def version(self) -> str:
        """The framework's version."""
        return str(self.outcome.facts.get("version") or "of unknown version")

    def device(self, name: object) -> Mapping[str, object]:
        """What is known of a device."""
        return next((device for device in self.devices if device.get("id") == name), {})

    def where(self, device: object) -> Fact:
        """A device as its framework names it."""
        return Fact(FRAMEWORK_DEVICE, device=device, name=self.device(device).get("name"))


def framework_findings(
    run: Run, build: Fact | None, *, for_gpu: bool, extra: Mapping[str, Sequence[Finding]] | None = None
) -> list[Finding]:
    """Return the findings of one framework.

    Args:
        run: What its probe came back with.
        build: What the build is; None where another probe told it.
        for_gpu: Whether it is a build for NVIDIA GPUs.
        extra: More findings, by the device before whose checks they stand.
    """
    key = run.framework.key
    findings: list[Finding] = []
    if build is not None and run.outcome.facts.get("version"):
        data = {"version": run.outcome.facts.get("version"), "build": dict(run.build)}
        findings.append(Finding(key, "pass", build, data=data))
        findings += _elsewhere(run)
    seen: set[str] = set()
    for record in run.checks:
        device = str(record.get("device"))
        if device not in seen:
            seen.add(device)
            findings += (extra or {}).get(device, ())
        findings += _record_findings(run, record)
    if run.outcome.state != "done":
        findings.append(_ending(run))
    elif not run.checks and (build is None or not run.outcome.facts.get("version")):
        fact = Fact(NOTHING_COMPUTED, title=run.framework.title)
        findings.append(Finding(key, "fail", fact, subject=key))
    elif for_gpu:
        findings += _gpu_findings(run)
    elif run.gpus.state == "ok" and not any(device.get("kind") == "gpu" for device in run.devices):
        findings += _cpu_build(run)
    return findings


def _elsewhere(run: Run) -> Iterator[Finding]:
    """Warn of CUDA libraries that came from the machine: where they are not, or are others, it does not run."""
    if files := [str(file) for file in list_of(run.outcome.facts.get("libraries_elsewhere"))]:
        key, title = run.framework.key, run.framework.title
        fact = Fact(CUDA_LIBRARY_ELSEWHERE, title=title, files=files)
        yield Finding(f"{key}.libraries", "warn", fact, data={"files": files}, subject=key)


def _cpu_build(run: Run) -> Iterator[Finding]:
    """Warn of a build for the CPU in an environment that is meant for a GPU."""
    if run.framework.gpu_is_optional or not run.outcome.facts.get("version"):  # processes together: told already
        return
    fact = Fact(CPU_BUILD, title=run.framework.title, package=run.framework.compiled)
    yield Finding(f"{run.framework.key}.gpu", "warn", fact)


def _gpu_findings(run: Run) -> Iterator[Finding]:
    """Tell what kept a build for GPUs from them."""
    key, title = run.framework.key, run.framework.title
    gpus = [device for device in run.devices if device.get("kind") == "gpu"]
    match run.gpus.state:
        case "none":
            yield Finding(f"{key}.gpu", "skip", Fact(NO_GPU, title=title, version=run.version))
        case "failed":
            yield Finding(f"{key}.gpu", "skip", Fact(DRIVER_FAILED, title=title))
        case "unasked":
            yield Finding(f"{key}.gpu", "skip", Fact(GPU_NOT_ASKED, title=title))
        case "ok":
            if 0 < len(gpus) < run.gpus.count:
                fact = Fact(GPUS_MISSING, title=title, seen=len(gpus), count=run.gpus.count)
                yield Finding(f"{key}.devices", "warn", fact)
            elif not gpus and not any(record.get("check") == "devices" for record in run.checks):
                yield _sees_none(run, None)


def _sees_none(run: Run, error: str | None) -> Finding:
    row = run.framework
    cause, blames = classify_error(error or "")
    fact = Fact(
        SEES_NO_GPU.of(framework=row.key),
        title=row.title,
        count=run.gpus.count,
        error=error,
        package=row.compiled,
        cause=cause,
    )
    return Finding(f"{row.key}.devices", "warn" if row.gpu_is_optional else "fail", fact, None, blames, subject=row.key)


def _record_findings(run: Run, record: Mapping[str, object]) -> Iterator[Finding]:
    key, check, device = run.framework.key, str(record.get("check")), record.get("device")
    name = f"{key}.{check}" + (f" {device}" if device else "")
    if check == "devices":
        if record.get("outcome") == "error":
            yield _sees_none(run, str(record.get("error")))
        return
    step = Fact(FRAMEWORK_STEP, check=check, where=run.where(device) if device else None)
    on_gpu = run.device(device).get("kind") == "gpu"
    data: dict[str, object] = {"device": device, "gpu": on_gpu, "seconds": record.get("elapsed_s")}
    match record.get("outcome"):
        case "ok":
            yield _computed(run, name, check, step, mapping_of(record.get("detail")), data)
        case "skipped":
            yield Finding(name, "skip", Fact(NOT_APPLICABLE, step=step, reason=record.get("reason")), data=data)
        case _:
            error = str(record.get("error"))
            code, blames = classify_error(error)
            data["error_type"] = record.get("error_type")
            match check:  # what a framework works without only warns
                case "compile":
                    fact = Fact(COMPILE_FAILED, step=step, error=error, cause=code)
                    yield Finding(name, "warn", fact, None, blames, data)
                case "throughput":
                    fact = Fact(THROUGHPUT_FAILED, step=step, error=error, cause=code)
                    yield Finding(name, "warn", fact, None, blames, data)
                case _:
                    fact = _failure(run, step, error, code)
                    shown = code if fact.code == COMPUTE_FAILED else None
                    yield Finding(name, "fail", fact, shown, blames, data, key)


def _failure(run: Run, step: Fact, error: str, code: Code) -> Fact:
    """Return what failed, with what its cure has to name."""
    if code == CUDNN_INCOMPLETE:
        return Fact(CUDNN_INCOMPLETE, step=step, error=error, missing=missing_cudnn(run.outcome.stderr_tail))
    package = lacking_package(error) if code == COMPUTE_FAILED else None
    if package not in (None, run.framework.module):
        return Fact(PACKAGES_DISAGREE, step=step, error=error, title=run.framework.title, package=package)
    return Fact(COMPUTE_FAILED, step=step, error=error)


def _computed(
    run: Run, name: str, check: str, step: Fact, detail: Mapping[str, object], data: Mapping[str, object]
) -> Finding:
    """Judge a check that ran: right, wrong, or a figure."""
    figures = mapping_of(detail.get("figures"))
    if "relative_error" not in detail:
        return Finding(name, "pass", Fact(COMPUTED, step=step, figures=figures), data={**data, **detail})
    error, terms = detail["relative_error"], detail.get("terms")
    limit = tolerance(check, str(detail.get("arithmetic")), terms if isinstance(terms, int) else 0)
    data = {**data, **detail, "tolerance": limit}
    if isinstance(error, (int, float)) and math.isfinite(error) and error <= limit:
        fact = Fact(COMPUTED_RIGHT, step=step, error=error, limit=limit, figures=figures)
        return Finding(name, "pass", fact, data=data)
    worst = mapping_of(detail.get("worst"))
    fact = Fact(COMPUTED_WRONG, step=step, error=error, limit=limit, worst=worst)
    return Finding(name, "fail", fact, WRONG_RESULT, "environment", data, run.framework.key)


def _ending(run: Run) -> Finding:
    """Judge a probe that did not end as it should."""
    row, outcome, step = run.framework, run.outcome, run.outcome.last_step
    if outcome.state == "foreign":
        return foreign_finding(row.key, outcome)
    data = {"stderr": outcome.stderr_tail[-2000:], "elapsed_s": round(outcome.elapsed_s, 3)}
    if step is None or step.check == "import":
        return replace(import_ending(row.module, outcome), data=data)
    said = {"title": row.title, "ending": ending_of(outcome), "call": step.call, "said": said_last(outcome)}
    match outcome.state:
        case "crashed":
            fact = Fact(FRAMEWORK_CRASHED.of(framework=row.key), **said)
        case "timed-out":
            fact = Fact(FRAMEWORK_HUNG.of(framework=row.key), **said)
        case _:
            fact = Fact(FRAMEWORK_FAILED.of(framework=row.key), **said)
    return Finding(f"{row.key}.{step.check}", "fail", fact, data=data, subject=row.key)

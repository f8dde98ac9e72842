"""Judge the facts of the driver probe: the one place where a CUresult becomes a finding.

`envkit/probes/cuda_driver.py` reports which call answered which number, which libcuda was loaded and what the host's
files show.

The host is blamed for what another environment on this host would meet too; the environment for what it brought along:
a libcuda of its own that hides the driver's, a Python that does not start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from envkit.checks.driver_calls import call_finding
from envkit.checks.driver_codes import CUDA_ERROR_NO_DEVICE
from envkit.checks.driver_ending import ending_findings
from envkit.checks.driver_library import library_findings
from envkit.checks.driver_run import DriverRun, driver_finding
from envkit.models.codes.driver import (
    DEVICE_NOT_FOUND,
    DEVICES_PARTLY_HIDDEN,
    DRIVER_STEP,
    MIG_UNCHECKED,
    NOT_REACHED,
    OUT_OF_TIME,
    PROBE_FAILED,
    RELEASE_FAILED,
    STEP_DONE,
    WRONG_RESULT,
)
from envkit.models.fact import Fact
from envkit.models.probe import ProbeOutcome, list_of, mapping_of
from envkit.models.report import Finding
from envkit.values import replace

_COMPUTES = frozenset({"vadd", "matmul", "reduce", "bandwidth"})
_FIGURES = {
    "context": ("context_s",),
    "ptx": ("module_load_s",),
    "vadd": ("vadd_bytes_per_s",),
    "matmul": ("matmul_flop_per_s",),
    "bandwidth": ("host_to_device_bytes_per_s", "device_to_host_bytes_per_s", "device_copy_bytes_per_s"),
}


def check_driver(outcomes: Sequence[ProbeOutcome]) -> list[Finding]:
    """Turn what the driver probe's children came back with into findings.

    Args:
        outcomes: One for each child, as `envkit.probe.run_driver_probe` returns them.

    Returns:
        The findings in the order of the checks. ``no-gpu`` with the status ``skip`` means that nothing here is of
        NVIDIA at all. The same failure of several checks on one device is one finding.
    """
    runs = [DriverRun.of(outcome) for outcome in outcomes]
    findings = [finding for run in runs for finding in _merge(_run_findings(run))]
    return [*findings, *_unchecked_instances(runs)]


def _run_findings(run: DriverRun) -> Iterator[Finding]:
    """Return the findings of one child, in order."""
    later = [*_check_findings(run), *_device_findings(run), *ending_findings(run)]
    yield from library_findings(run, explained=any(finding.data.get("owner") for finding in later))
    yield from later


def _check_findings(run: DriverRun) -> Iterator[Finding]:
    """Return the findings of the checks that ended."""
    failed: set[str] = set()
    for record in run.checks:
        finding = _record_finding(run, record)
        device = str(record.get("device"))
        if record.get("check") == "release" and finding.status == "fail":
            if device not in failed:  # after a failure that loses the context, releasing fails too
                yield replace(finding, status="warn", code=RELEASE_FAILED)
            continue
        if finding.status == "fail":
            failed.add(device)
            if record.get("asked") is False:  # another device than the one that the user wants to know about
                finding = replace(finding, status="warn")
        yield finding


def _merge(findings: Iterator[Finding]) -> list[Finding]:
    """Make one finding of the same failure of several checks on one device; ``data["also"]`` names the others."""
    merged: dict[object, Finding] = {}
    for index, finding in enumerate(findings):
        key: object = (finding.code, str(finding.data.get("device"))) if finding.status == "fail" else index
        if key in merged:
            first = merged[key]
            merged[key] = replace(first, data={**first.data, "also": [*list_of(first.data.get("also")), finding.check]})
        else:
            merged[key] = finding
    return list(merged.values())


def _record_finding(run: DriverRun, record: Mapping[str, object]) -> Finding:
    """Judge one ended check."""
    check, device, detail = str(record.get("check")), record.get("device"), mapping_of(record.get("detail"))
    where = Fact(DRIVER_STEP, check=check, device=device, name=run.device(device).get("name"))
    data = {**(run.device_data(device) if device is not None else {}), **detail}
    outcome = record.get("outcome")
    if outcome == "ok" and check == "devices" and run.outcome.facts.get("devices_count") == 0:
        outcome, record = "error", {**record, "call": "cuDeviceGetCount", "result": CUDA_ERROR_NO_DEVICE}
    match outcome:
        case "ok":
            figures = mapping_of(run.figures.get(str(device)))
            own = {name: figures[name] for name in _FIGURES.get(check, ()) if figures.get(name) is not None}
            about = {
                **run.device(device),
                **run.driver,
                **figures,
                "count": run.outcome.facts.get("devices_count"),
                **detail,
            }
            fact = Fact(STEP_DONE, where=where, check=check, about=about)
            return driver_finding(check, "pass", fact, data={**data, "gpu": check in _COMPUTES, "figures": own})
        case "error":
            return call_finding(run, record, where, data)
        case "wrong":
            fact = Fact(WRONG_RESULT, where=where, detail=detail)
            return driver_finding(check, "fail", fact, blames="host", data=data)
        case "skipped":
            fact = Fact(NOT_REACHED, where=where, because=str(record.get("because")))
            return driver_finding(check, "skip", fact, data=data)
        case "late":
            return driver_finding(check, "fail", Fact(OUT_OF_TIME, where=where), data=data)
        case _:
            fact = Fact(PROBE_FAILED, step=where, error=record.get("exception"))
            return driver_finding(check, "fail", fact, data=data)


def _device_findings(run: DriverRun) -> Iterator[Finding]:
    """Judge devices that were asked for, or listed, and are not there."""
    missing = [str(name) for name in list_of(run.outcome.facts.get("devices_missing"))]
    if missing:
        seen = [f"{ordinal}: {device.get('uuid')}" for ordinal, device in run.devices.items()]
        fact = Fact(DEVICE_NOT_FOUND, missing=missing, visible=seen)
        yield driver_finding("devices", "fail", fact, data={"missing": missing})
    visible = str(run.variables.get("CUDA_VISIBLE_DEVICES", ""))
    listed = [word.strip() for word in visible.split(",") if word.strip()]
    count = run.outcome.facts.get("devices_count")
    if isinstance(count, int) and 0 < count < len(listed):
        fact = Fact(DEVICES_PARTLY_HIDDEN, value=visible, listed=len(listed), count=count)
        yield driver_finding("devices", "warn", fact, data={"devices_count": count})


def _unchecked_instances(runs: Sequence[DriverRun]) -> Iterator[Finding]:
    """Warn of MIG instances that no child saw."""
    seen = {str(d.get("uuid")) for run in runs for d in run.devices.values() if d.get("mig")}
    counts = [count for run in runs if isinstance(count := run.host.get("mig_instances"), int)]
    if seen and counts and len(seen) < max(counts):
        fact = Fact(MIG_UNCHECKED, checked=len(seen), count=max(counts))
        data = {"mig_instances_count": max(counts), "checked_count": len(seen)}
        yield driver_finding("devices", "warn", fact, data=data)

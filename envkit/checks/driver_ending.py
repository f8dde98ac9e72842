"""Judge how a child of the driver probe ended."""

from __future__ import annotations

from collections.abc import Iterator

from envkit.checks.driver_run import DriverRun, driver_finding
from envkit.checks.interpreter import ending_of, foreign_fact
from envkit.models.codes.driver import CRASH, HANG, KILLED, PROBE_FAILED, PROBE_GARBLED, PYTHON_TOO_OLD, PYTHON_UNUSABLE
from envkit.models.fact import Fact
from envkit.models.probe import ProbeOutcome, TraceStep
from envkit.models.report import Finding

# What Python 3.6 says of a __future__ that it does not know, and Python 2 of the option -I.
_TOO_OLD = ("future feature annotations", "Unknown option: -I")


def ending_findings(run: DriverRun) -> Iterator[Finding]:
    """Judge a child that did not end as it should."""
    outcome, step, shadow = run.outcome, run.outcome.last_step, run.shadow
    if outcome.state == "done":
        return
    data: dict[str, object] = {
        "state": outcome.state,
        "signal": outcome.signal,
        "exit_code": outcome.exit_code,
        "stderr": outcome.stderr_tail[-2000:],
        "elapsed_s": round(outcome.elapsed_s, 3),
        "command": list(outcome.command),
    }
    if outcome.state == "foreign":
        yield driver_finding("probe", "fail", foreign_fact(outcome), data=data)
        return
    if step is None or outcome.state == "not-started":
        old = any(words in outcome.stderr_tail for words in _TOO_OLD)
        fact = Fact(PYTHON_TOO_OLD) if old else Fact(PYTHON_UNUSABLE, ending=ending_of(outcome))
        yield driver_finding("probe", "fail", fact, data=data)
        return
    data |= {"step": str(step), "device": step.device, **(run.library_data if run.libcuda else {})}
    fact = _ending(run, outcome, step)
    blames = shadow.blames if shadow is not None and fact.code != KILLED else None
    yield driver_finding(step.check, "fail", fact, blames=blames, data=data)


def _ending(run: DriverRun, outcome: ProbeOutcome, step: TraceStep) -> Fact:
    shadow = run.shadow
    if outcome.signal == "SIGKILL":
        return Fact(KILLED, step=step)
    match outcome.state:
        case "timed-out":
            return Fact(HANG, step=step, elapsed_s=outcome.elapsed_s, reaped=outcome.reaped, shadow=shadow)
        case "crashed":
            return Fact(CRASH, step=step, signal=outcome.signal, shadow=shadow)
        case "garbled":
            return Fact(PROBE_GARBLED, why=_why(outcome), shadow=shadow)
        case _:
            return Fact(PROBE_FAILED, step=step, error=_why(outcome), shadow=shadow)


def _why(outcome: ProbeOutcome) -> str:
    """Return what the child or its runner said last."""
    lines = outcome.stderr_tail.strip().splitlines()
    return outcome.reason or (lines[-1] if lines else f"exit status {outcome.exit_code}")

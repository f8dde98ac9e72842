"""What the probe of interpreter and modules saw, as findings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from envkit.models.probe import ProbeOutcome
from envkit.models.report import Finding

__all__ = ["describe_ending", "python_findings", "stderr_hint"]


def python_findings(outcome: ProbeOutcome) -> list[Finding]:
    """Whether the environment's Python started, and one finding for each module."""
    facts = outcome.facts
    if outcome.state != "done":
        step = outcome.last_step
        if step is not None and step.check == "import":
            return [
                Finding(
                    check=f"import {step.call}",
                    status="fail",
                    code="import-hung" if outcome.state == "timed-out" else "import-crashed",
                    text=f"importing {step.call} {describe_ending(outcome)}",
                    blames="environment",
                    hint=stderr_hint(outcome, "A compiled part of it does not fit the rest of the environment."),
                )
            ]
        return [
            Finding(
                check="python",
                status="fail",
                code="python-broken",
                text=f"the environment's Python {describe_ending(outcome)}",
                blames="environment",
                hint=stderr_hint(outcome, "Make the environment again."),
            )
        ]
    python = facts.get("python")
    version = python.get("version") if isinstance(python, Mapping) else None
    findings = [Finding(check="python", status="pass", code=None, text=f"Python {version} starts")]
    modules = facts.get("modules")
    findings += [_module_finding(module) for module in (modules if isinstance(modules, list) else [])]
    return findings


def _module_finding(module: Mapping[str, Any]) -> Finding:
    name = str(module.get("name"))
    if module.get("ok"):
        version = module.get("version")
        text = f"{name} {version} imports" if version else f"{name} imports"
        return Finding(
            check=f"import {name}", status="pass", code=None, text=text, data={"seconds": module.get("seconds")}
        )
    return Finding(
        check=f"import {name}",
        status="fail",
        code="import-failed",
        text=f"{name} does not import: {module.get('error')}",
        blames="environment",
        hint="A file is missing or two packages do not fit together; see the finding on files, or make it again.",
    )


def describe_ending(outcome: ProbeOutcome) -> str:
    """How a probe ended that did not end well, as the end of a sentence."""
    if outcome.state == "crashed":
        return f"crashed ({outcome.signal})"
    if outcome.state == "timed-out":
        return f"did not end in {outcome.elapsed_s:.0f} s"
    if outcome.state == "not-started":
        return f"cannot be started: {outcome.reason}"
    last = outcome.stderr_tail.strip().splitlines()[-1:] or [outcome.reason or f"exit status {outcome.exit_code}"]
    return f"failed: {last[0]}"


def stderr_hint(outcome: ProbeOutcome, hint: str) -> str:
    """The cure, and the last words of a probe that had any."""
    last = outcome.stderr_tail.strip().splitlines()[-1:]
    return f"{hint} It said: {last[0][:300]}" if last else hint

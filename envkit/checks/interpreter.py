"""Judge the probe of interpreter and modules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from envkit.models.codes.frameworks import (
    ENDED,
    IMPORT_CRASHED,
    IMPORT_FAILED,
    IMPORT_HUNG,
    MODULE_IMPORTS,
    PYTHON_BROKEN,
    PYTHON_FOREIGN,
    PYTHON_STARTS,
)
from envkit.models.fact import Fact
from envkit.models.probe import ProbeOutcome, list_of, mapping_of
from envkit.models.report import Finding


def python_findings(outcome: ProbeOutcome, asked: Sequence[str] = ()) -> list[Finding]:
    """Judge whether the environment's Python started, and each module.

    Args:
        outcome: Of the script ``modules.py``.
        asked: The modules that it was asked to import.
    """
    step = outcome.last_step
    if outcome.state == "foreign":
        return [foreign_finding("python", outcome)]
    if outcome.state != "done" and step is not None and step.check == "import":
        return [import_ending(step.call, outcome)]
    if outcome.state != "done":
        fact = Fact(PYTHON_BROKEN, ending=ending_of(outcome), said=said_last(outcome))
        return [Finding("python", "fail", fact)]
    python, modules = outcome.facts.get("python"), outcome.facts.get("modules")
    version = python.get("version") if isinstance(python, Mapping) else None
    first = Finding("python", "pass", Fact(PYTHON_STARTS, version=version))
    told = {str(module.get("name")): module for module in map(mapping_of, list_of(modules))}
    return [
        first,
        *(_module_finding(told.get(name, {"name": name, "error": "it was not tried"})) for name in (asked or told)),
    ]


def foreign_finding(check: str, outcome: ProbeOutcome) -> Finding:
    """Judge an answer that did not come from the script that was started."""
    return Finding(check, "fail", foreign_fact(outcome), data={"files": list(outcome.answered_by)})


def foreign_fact(outcome: ProbeOutcome) -> Fact:
    """Return what may have answered in place of the script that was started."""
    return Fact(PYTHON_FOREIGN, program=outcome.command[0], files=list(outcome.answered_by))


def import_ending(module: str, outcome: ProbeOutcome) -> Finding:
    """Judge a probe that ended while it imported a module."""
    ending, said = ending_of(outcome), said_last(outcome)
    match outcome.state:
        case "timed-out":
            fact = Fact(IMPORT_HUNG, module=module, ending=ending, said=said)
        case "crashed":
            fact = Fact(IMPORT_CRASHED, module=module, ending=ending, said=said)
        case _:
            fact = Fact(IMPORT_FAILED, module=module, ending=ending, said=said)
    return Finding(f"import {module}", "fail", fact, subject=module)


def _module_finding(module: Mapping[str, Any]) -> Finding:
    name = str(module.get("name"))
    if module.get("ok"):
        fact = Fact(MODULE_IMPORTS, module=name, version=module.get("version"))
        return Finding(f"import {name}", "pass", fact, data={"seconds": module.get("seconds")}, subject=name)
    fact = Fact(IMPORT_FAILED, module=name, error=module.get("error"))
    return Finding(f"import {name}", "fail", fact, subject=name)


def ending_of(outcome: ProbeOutcome) -> Fact:
    """Return how a probe ended that did not end well."""
    return Fact(
        ENDED,
        state=outcome.state,
        signal=outcome.signal,
        elapsed_s=outcome.elapsed_s,
        exit_code=outcome.exit_code,
        why=outcome.reason if outcome.state == "not-started" else said_last(outcome) or outcome.reason,
    )


def said_last(outcome: ProbeOutcome) -> str | None:
    """Return the last line that a probe wrote to standard error."""
    return next(reversed(outcome.stderr_tail.strip().splitlines()), None)

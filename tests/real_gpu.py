"""What an H200 and an H100 with driver 580.159.04 answered: documents of all children, kept as they came.

Recorded in a container of Ubuntu 24.04 whose driver is mounted at /usr/local/nvidia and led to by LD_LIBRARY_PATH, in a
virtual environment with PyTorch 2.11, JAX 0.11, CuPy 14.2, numba 0.68 and ONNX Runtime 1.30: whole on both GPUs; on the
H200 also with all GPU memory held by another process, without cuBLASLt or cuDNN's engines, and with GPUs hidden in four
ways. UUIDs are blanked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from envkit.checks.driver_probe import check_driver
from envkit.checks.framework import Gpus
from envkit.checks.frameworks import judge_collective, judge_framework
from envkit.checks.interpreter import python_findings
from envkit.frameworks.table import ROWS
from envkit.host.answers import parse_answers
from envkit.host.assemble import assemble_host
from envkit.host.readings import read_machine
from envkit.host.tree import Tree
from envkit.models.host import Host
from envkit.models.probe import ProbeOutcome, TraceStep
from envkit.models.report import Finding, Report

RECORDED = Path(__file__).parent / "nvidia" / "hopper"
CASES = ("collective", "h100", "cublas", "engines", "full", "hidden", "nine", "device9", "stub", "nojit")
GPU = "NVIDIA H200"


@cache
def recorded(name: str) -> dict[str, Any]:
    """One case; tests do not change it."""
    found: dict[str, Any] = json.loads((RECORDED / f"{name}.json").read_text())
    return found


def outcome_of(kept: Mapping[str, Any]) -> ProbeOutcome:
    """The outcome of a child, as `envkit.probe.run_probe` returned it."""
    step = kept["last_step"]
    values: dict[str, Any] = {key: kept[key] for key in ProbeOutcome.__match_args__ if key in kept}
    values["command"], values["answered_by"] = tuple(kept["command"]), ()
    values["last_step"] = step and TraceStep(**step)
    return ProbeOutcome(**values)


def judged(case: Mapping[str, Any]) -> list[Finding]:
    """The findings of a case, in the order of its children."""
    findings: list[Finding] = []
    gpus = Gpus("none")
    for kept in case["outcomes"]:
        outcome = outcome_of(kept)
        match kept["script"]:
            case "modules.py":
                findings += python_findings(outcome, kept["args"])
            case "cuda_driver.py":
                driver = check_driver([outcome])
                gpus = Gpus("failed") if any(f.status == "fail" for f in driver) else Gpus("ok", 1)
                findings += driver
            case _:
                framework, _, together = kept["args"][0].removesuffix(".py").partition("_")
                judge = judge_collective if together else judge_framework
                findings += judge(ROWS[framework], outcome, gpus)
    return findings


def host_of(tmp_path: Path, answers: str, env: Mapping[str, str] | None = None) -> Host:
    """The host by the answers of its drivers, with the files of its kernel module."""
    kept = json.loads((RECORDED / "host.json").read_text())
    for name in ("/proc/driver/nvidia/version", *(f"/dev/{node}" for node in kept["nodes"])):
        path = tmp_path / name[1:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(kept.get(name, ""))
    env = env or {}
    return assemble_host(
        read_machine(Tree(tmp_path), env),
        parse_answers(kept[answers]),
        env=env,
        overrides={},
    )


def report_of(name: str) -> Report:
    """The report of a case."""
    findings, seconds = tuple(judged(recorded(name))), sum(kept["elapsed_s"] for kept in recorded(name)["outcomes"])
    created = "2026-11-26T06:21:00+00:00"
    return Report("/data/venv", "535eb4f63559", needs_gpu=True, findings=findings, created=created, seconds=seconds)

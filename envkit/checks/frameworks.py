"""Judge the probe of any framework: its row says what the facts of its build mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from envkit.checks.arch_list import arch_finding
from envkit.checks.framework import Gpus, Run, framework_findings
from envkit.frameworks.row import FrameworkRow
from envkit.models.probe import ProbeOutcome
from envkit.models.report import Finding

__all__ = ["is_cuda_build", "judge_collective", "judge_framework"]


def judge_framework(row: FrameworkRow, outcome: ProbeOutcome, gpus: Gpus) -> list[Finding]:
    """Return the findings of a framework's probe: its build, and what it computed on the CPU and on each GPU.

    Args:
        row: The framework.
        outcome: Of the script that `row.probe` names.
        gpus: What is known of the GPUs.
    """
    run = Run(row, outcome, gpus)
    for_gpu = is_cuda_build(row, outcome)
    extra = {}
    if for_gpu:
        extra = {str(d.get("id")): [found] for d in run.devices if (found := arch_finding(run, d)) is not None}
    return framework_findings(run, identity=", ".join(_identity(run, for_gpu=for_gpu)), for_gpu=for_gpu, extra=extra)


def judge_collective(row: FrameworkRow, outcome: ProbeOutcome, gpus: Gpus) -> list[Finding]:
    """Return the findings of several processes of a framework that computed together.

    Args:
        row: The framework.
        outcome: Of the script that `row.collective` names.
        gpus: What is known of the GPUs.
    """
    return framework_findings(Run(row, outcome, gpus), identity="", for_gpu=False)


def is_cuda_build(row: FrameworkRow, outcome: ProbeOutcome) -> bool:
    """Return whether the build that a probe ran is one for NVIDIA GPUs."""
    build = outcome.facts.get("build")
    fact = build.get(row.cuda_fact) if isinstance(build, Mapping) and row.cuda_fact else None
    if row.cuda_value is not None:
        return isinstance(fact, list) and row.cuda_value in fact
    return bool(fact) or row.compiled in row.always_cuda


def _identity(run: Run, *, for_gpu: bool) -> Iterator[str]:
    """Tell what a build is, by the facts that its row names."""
    row, build = run.framework, run.build
    told = False
    for label, key in row.identity:
        value = build.get(key)
        if value:
            told = True
            parts = value if isinstance(value, list) else [value]
            yield f"{label} {', '.join(str(part).removesuffix('ExecutionProvider') for part in parts)}".strip()
    if for_gpu and not told:
        yield "a CUDA build"
    elif not for_gpu and row.cuda_fact is not None and row.cuda_value is None and not build.get("hip"):
        yield "a CPU build"

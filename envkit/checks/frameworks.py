"""Judge the probe of any framework: its row says what the facts of its build mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from envkit.checks.arch_list import arch_finding
from envkit.checks.framework import Gpus, Run, framework_findings
from envkit.frameworks.row import FrameworkRow
from envkit.models.codes.frameworks import FRAMEWORK_BUILD
from envkit.models.fact import Fact
from envkit.models.probe import ProbeOutcome
from envkit.models.report import Finding


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
    return framework_findings(run, _build(run, for_gpu=for_gpu), for_gpu=for_gpu, extra=extra)


def judge_collective(row: FrameworkRow, outcome: ProbeOutcome, gpus: Gpus) -> list[Finding]:
    """Return the findings of several processes of a framework that computed together.

    Args:
        row: The framework.
        outcome: Of the script that `row.collective` names.
        gpus: What is known of the GPUs.
    """
    return framework_findings(Run(row, outcome, gpus), None, for_gpu=False)


def is_cuda_build(row: FrameworkRow, outcome: ProbeOutcome) -> bool:
    """Return whether the build that a probe ran is one for NVIDIA GPUs."""
    build = outcome.facts.get("build")
    fact = build.get(row.cuda_fact) if isinstance(build, Mapping) and row.cuda_fact else None
    if row.cuda_value is not None:
        return isinstance(fact, list) and row.cuda_value in fact
    return bool(fact) or row.compiled in row.always_cuda


def _facts(run: Run) -> Iterator[tuple[str, list[str]]]:
    """Return the facts of a build that its row names, with their labels."""
    for label, key in run.framework.identity:
        if value := run.build.get(key):
            yield label, [str(part) for part in (value if isinstance(value, list) else [value])]


def _build(run: Run, *, for_gpu: bool) -> Fact:
    """Return what a build is, by the facts that its row names."""
    row, told = run.framework, list(_facts(run))
    kind = None
    if for_gpu and not told:
        kind = "CUDA"
    elif not for_gpu and row.cuda_fact is not None and row.cuda_value is None and not run.build.get("hip"):
        kind = "CPU"
    return Fact(FRAMEWORK_BUILD, title=row.title, version=run.version, told=told, kind=kind)

"""Judge the state of a node's GPUs: what makes their results doubtful, and what makes them slow."""

from __future__ import annotations

from collections.abc import Iterable

from envkit.models.codes.fleet import GPU_MEMORY_BAD, GPU_MEMORY_MENDED, GPU_SLOWED
from envkit.models.fact import Fact
from envkit.models.fleet import NodeFinding
from envkit.models.gpu_health import GpuHealth
from envkit.models.report import Finding


def sick_gpus(node: str, gpus: Iterable[GpuHealth]) -> tuple[NodeFinding, ...]:
    """Return a finding on each fault of a node's GPUs.

    Uncorrected errors since the last reboot and rows that cannot be replaced fail
    (https://docs.nvidia.com/deploy/a100-gpu-mem-error-mgmt/); what a reset mends, and lower clocks, warn.
    """
    found: list[NodeFinding] = []
    for gpu in gpus:
        if gpu.ecc_uncorrected or gpu.remap_failed:
            fact = Fact(GPU_MEMORY_BAD, gpu=gpu.index, errors=gpu.ecc_uncorrected or 0, spent=gpu.remap_failed)
            found.append(NodeFinding(node, Finding("memory", "fail", fact)))
        elif gpu.remap_pending:
            found.append(NodeFinding(node, Finding("memory", "warn", Fact(GPU_MEMORY_MENDED, gpu=gpu.index))))
        if gpu.slowed:
            fact = Fact(GPU_SLOWED, gpu=gpu.index, slowed=gpu.slowed)
            found.append(NodeFinding(node, Finding("clocks", "warn", fact)))
    return tuple(found)

"""What the probe of PyTorch saw, as findings."""

from __future__ import annotations

from collections.abc import Mapping

from envkit.checks.framework import Framework, Gpus, Run, framework_findings
from envkit.cuda.architectures import Arch, fits_ptx, is_tegra, parse_arch, runs_sass
from envkit.models.host import Gpu
from envkit.models.probe import ProbeOutcome
from envkit.models.report import Finding
from envkit.models.version import ComputeCapability

__all__ = ["PYTORCH", "collective_findings", "pytorch_findings"]

PYTORCH = Framework("pytorch", "PyTorch", "torch", "pytorch")


def pytorch_findings(outcome: ProbeOutcome, gpus: Gpus) -> list[Finding]:
    """What PyTorch computed, on the CPU and on each GPU.

    Args:
        outcome: Of the probe ``pytorch.py``.
        gpus: What is known of the GPUs.
    """
    run = Run(PYTORCH, outcome, gpus)
    cuda, hip = run.build.get("cuda"), run.build.get("hip")
    parts = [f"CUDA {cuda}" if cuda else f"ROCm {hip}" if hip else "a CPU build"]
    parts += [f"cuDNN {cudnn}"] if (cudnn := run.build.get("cudnn")) else []
    parts += [f"NCCL {nccl}"] if (nccl := run.build.get("nccl")) else []
    extra = {}
    if cuda:
        extra = {str(d.get("id")): [found] for d in run.devices if (found := _arch_finding(run, d)) is not None}
    return framework_findings(run, identity=", ".join(parts), for_gpu=bool(cuda), extra=extra)


def collective_findings(outcome: ProbeOutcome, gpus: Gpus) -> list[Finding]:
    """What several processes of PyTorch computed together.

    Args:
        outcome: Of the probe ``pytorch_collective.py``.
        gpus: What is known of the GPUs.
    """
    return framework_findings(Run(PYTORCH, outcome, gpus), identity="", for_gpu=False)


def _arch_finding(run: Run, device: Mapping[str, object]) -> Finding | None:
    """Whether the build's code covers a GPU, by `torch.cuda.get_arch_list`."""
    listed = run.build.get("arch_list")
    capability = device.get("compute_capability")
    if not isinstance(listed, list) or not listed or not isinstance(capability, str):
        return None
    found = ComputeCapability.parse(capability)
    gpu = Gpu(name=None, compute_capability=found, tegra=is_tegra(found))
    sass: list[Arch] = []
    ptx: list[Arch] = []
    for text in map(str, listed):
        try:
            arch = parse_arch(text)
        except ValueError:  # an architecture in a notation to come
            continue
        (ptx if text.startswith("compute") else sass).append(arch)
    name, have = f"pytorch.arch {device.get('id')}", " ".join(map(str, listed))
    data = {"arch_list": list(listed), "compute_capability": capability, "device": device.get("id")}
    where = run.where(device.get("id"))
    if any(runs_sass(arch, gpu) for arch in sass):
        return Finding(name, "pass", None, f"it has code for {where}, compute capability {capability}", data=data)
    if any(fits_ptx(arch, gpu) for arch in ptx):
        text = f"it has no code for {where}, only PTX for the driver to compile"
        return Finding(name, "pass", None, text, data=data)
    text = f"it has no code for {where}, compute capability {capability}: only {have}"
    computed = any(
        check.get("device") == device.get("id") and check.get("check") == "matmul" and check.get("outcome") == "ok"
        for check in run.checks
    )
    hint = "Choose another build: `envkit find pytorch` shows what runs on this GPU."
    return Finding(name, "warn" if computed else "fail", "arch-not-covered", text, "environment", hint, data)

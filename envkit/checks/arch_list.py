"""Whether the code inside a build covers a GPU, by what the framework itself says of its arch list."""

from __future__ import annotations

from collections.abc import Mapping

from envkit.checks.framework import Run
from envkit.cuda.architectures import Arch, fits_ptx, is_tegra, parse_arch, runs_sass
from envkit.models.host import Gpu
from envkit.models.report import Finding
from envkit.models.version import ComputeCapability

__all__ = ["arch_finding"]


def arch_finding(run: Run, device: Mapping[str, object]) -> Finding | None:
    """Compare the fact ``arch_list`` of a build with a GPU; None where either is not known."""
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
    name, have = f"{run.framework.key}.arch {device.get('id')}", " ".join(map(str, listed))
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
    hint = f"Choose another build: `envkit find {run.framework.compiled}` shows what runs on this GPU."
    return Finding(name, "warn" if computed else "fail", "arch-not-covered", text, "environment", hint, data)

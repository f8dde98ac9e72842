"""Judge whether a build holds code for a GPU, by the arch list that the framework tells."""

from __future__ import annotations

from collections.abc import Mapping

from envkit.checks.framework import Run
from envkit.cuda.architectures import fits_ptx, is_tegra, parse_arch, runs_sass
from envkit.models.codes.frameworks import ARCH_COVERED, ARCH_NOT_COVERED, ARCH_PTX
from envkit.models.fact import Fact
from envkit.models.gpucode import Architecture
from envkit.models.host import Gpu
from envkit.models.report import Finding
from envkit.models.version import ComputeCapability


def arch_finding(run: Run, device: Mapping[str, object]) -> Finding | None:
    """Compare the fact ``arch_list`` of a build with a GPU; None where either is not known."""
    listed = run.build.get("arch_list")
    capability = device.get("compute_capability")
    if not isinstance(listed, list) or not listed or not isinstance(capability, str):
        return None
    found = ComputeCapability.parse(capability)
    gpu = Gpu(name=None, compute_capability=found, tegra=is_tegra(found))
    sass: list[Architecture] = []
    ptx: list[Architecture] = []
    for text in map(str, listed):
        try:
            arch = parse_arch(text)
        except ValueError:  # an architecture in a notation to come
            continue
        (ptx if text.startswith("compute") else sass).append(arch)
    check, where = f"{run.framework.key}.arch {device.get('id')}", run.where(device.get("id"))
    data = {"arch_list": list(listed), "compute_capability": capability, "device": device.get("id")}
    if any(runs_sass(arch, gpu) for arch in sass):
        return Finding(check, "pass", Fact(ARCH_COVERED, where=where, capability=capability), data=data)
    if any(fits_ptx(arch, gpu) for arch in ptx):
        return Finding(check, "pass", Fact(ARCH_PTX, where=where), data=data)
    computed = any(
        ran.get("device") == device.get("id") and ran.get("check") == "matmul" and ran.get("outcome") == "ok"
        for ran in run.checks
    )
    package = run.framework.compiled
    fact = Fact(ARCH_NOT_COVERED, where=where, capability=capability, listed=listed, package=package)
    return Finding(check, "warn" if computed else "fail", fact, data=data, subject=run.framework.key)

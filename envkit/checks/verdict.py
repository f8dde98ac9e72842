"""Build x Target = Verdict: how well a build runs there, and why."""

from __future__ import annotations

from collections.abc import Sequence

from envkit.builds.version import version_matches
from envkit.checks.driver import ceiling_of, judge_driver, wants_cuda
from envkit.checks.gpu import judge_gpu, misses_newest_gpus
from envkit.checks.machine import judge_machine, judge_python
from envkit.frameworks.table import ROWS
from envkit.models.build import Build, Tier, Verdict
from envkit.models.codes.reasons import (
    ANY_HOST,
    CODE_INFERRED,
    CPU_BUILD,
    CUDA_UNKNOWN,
    DRIVER_TOO_OLD,
    GPU_OPEN,
    MPS,
    NO_GPU,
    NO_KERNEL_IMAGE,
    NO_MPS,
    NVIDIA_TRACES,
    RUNTIME_COMPILER,
    WRONG_GPU_VENDOR,
)
from envkit.models.fact import Reason
from envkit.models.host import Target
from envkit.models.request import Request
from envkit.models.version import CudaVersion


def _worst(*tiers: Tier) -> Tier:
    return max(tiers, key=lambda tier: tier.rank)


def _cpu(build: Build, target: Target) -> Verdict:
    if not wants_cuda(target):
        return Verdict(build, Tier.CPU, (Reason(CPU_BUILD),))
    return Verdict(build, Tier.CPU, (Reason(CPU_BUILD, unused_gpu=True),))


def _metal(build: Build, target: Target) -> Verdict:
    if target.mps or (target.subdir == "osx-arm64" and target.described):
        return Verdict(build, Tier.NATIVE, (Reason(MPS),))
    return Verdict(build, Tier.CPU, (Reason(NO_MPS),))


def _arch_demand(build: Build, target: Target) -> Reason | None:
    """Judge a demand on ``__cuda_arch``, which is the lowest compute capability of all devices (CEP 46)."""
    spec = build.needs.cuda_arch
    known = [gpu.compute_capability for gpu in target.gpus if gpu.compute_capability is not None]
    if spec is None or not known:
        return None
    lowest = str(min(known))
    if version_matches(spec, lowest):
        return None
    return Reason(NO_KERNEL_IMAGE, spec=spec, lowest=lowest)


def _open_gpu(build: Build, build_cuda: CudaVersion, target: Target) -> list[Reason]:
    reasons = [Reason(GPU_OPEN, sass=build.arch.sass if build.arch else None)]
    missing = misses_newest_gpus(build_cuda, build.arch, target)
    if missing is not None:
        reasons.append(missing)
    if build.arch is not None and build.arch.relative is not None:
        reasons.append(Reason(CODE_INFERRED, relative=build.arch.relative))
    return reasons


def _demands(build: Build, target: Target) -> Verdict | None:
    """Judge the record's own demands on driver and GPU, before any table."""
    ceiling = ceiling_of(target)
    if ceiling is None and not target.gpus:
        reasons = [Reason(NO_GPU)]
        if target.nvidia_traces:
            reasons.append(Reason(NVIDIA_TRACES, traces=target.nvidia_traces))
        return Verdict(build, Tier.NO, tuple(reasons))
    if build.min_cuda is not None and ceiling is not None and ceiling < build.min_cuda:
        return Verdict(build, Tier.NO, (Reason(DRIVER_TOO_OLD, build_cuda=build.min_cuda, ceiling=ceiling),))
    demand = _arch_demand(build, target)
    return Verdict(build, Tier.NO, (demand,)) if demand is not None else None


def _cuda(build: Build, target: Target) -> Verdict:
    blocked = _demands(build, target)
    if blocked is not None:
        return blocked
    if build.build_cuda is None:
        return Verdict(build, Tier.UNKNOWN, (Reason(CUDA_UNKNOWN),))
    driver = judge_driver(build.build_cuda, target, major_only=build.cuda_major_only)
    if driver.tier is Tier.NO:
        return Verdict(build, Tier.NO, driver.reasons)
    tier: Tier = driver.tier
    reasons = list(driver.reasons)
    for gpu in dict.fromkeys(target.gpus):
        # Of a package that says only "some CUDA 12" the newest toolkit of that major is what a solver takes.
        toolkit = (build.library_cuda or build.build_cuda) if build.cuda_major_only else build.build_cuda
        found = judge_gpu(gpu, toolkit, build.arch, build.library_cuda, target)
        if found.tier.rank > tier.rank:
            reasons = [*found.reasons, *reasons]
        else:
            reasons.extend(reason for reason in found.reasons if reason not in reasons)
        tier = _worst(tier, found.tier)
    if not target.gpus:
        reasons.extend(_open_gpu(build, build.build_cuda, target))
    row = ROWS.get(build.framework or "")
    if tier is Tier.MINOR and row is not None and row.runtime_compiler is not None:
        reasons.append(Reason(RUNTIME_COMPILER, compiler=row.runtime_compiler))
    return Verdict(build, tier, tuple(reasons))


def judge(build: Build, target: Target, *, request: Request | None = None) -> Verdict:
    """Judge how well a build runs on a target.

    Args:
        build: What `envkit.builds.classify` made of a record.
        request: What the user asked; only its Python counts here.

    Returns:
        The tier and its reasons, the decisive one first; conflicts of the record come last.
    """
    blocked = judge_machine(build, target) or judge_python(build, request.python if request else None)
    if blocked is not None:
        return Verdict(build, Tier.NO, (blocked,))
    if "rocm" in build.record.build:
        return Verdict(build, Tier.NO, (Reason(WRONG_GPU_VENDOR),))
    if build.variant == "cuda":
        verdict = _cuda(build, target)
    elif build.variant == "mps":
        verdict = _metal(build, target)
    elif build.variant == "cpu":
        verdict = _cpu(build, target)
    else:
        verdict = Verdict(build, Tier.NATIVE, (Reason(ANY_HOST),))
    return Verdict(build, verdict.tier, verdict.reasons + build.conflicts) if build.conflicts else verdict


def _what_counts(build: Build) -> tuple[object, ...]:
    """Return everything of a build that a verdict depends on.

    Equal needs and arch lists are usually the same object, so compare their identity.
    """
    return (
        build.record.subdir,
        "rocm" in build.record.build,
        build.framework,
        build.variant,
        build.build_cuda,
        build.cuda_major_only,
        build.min_cuda,
        build.library_cuda,
        build.python,
        id(build.arch),
        id(build.needs),
        build.conflicts,
    )


def judge_all(builds: Sequence[Build], target: Target, *, request: Request | None = None) -> list[Verdict]:
    """Judge many builds, in their order; those alike in all that counts are judged once and share their reasons."""
    known: dict[tuple[object, ...], Verdict] = {}
    verdicts: list[Verdict] = []
    for build in builds:
        counts = _what_counts(build)
        alike = known.get(counts)
        if alike is None:
            alike = known[counts] = judge(build, target, request=request)
        verdicts.append(Verdict(build, alike.tier, alike.reasons))
    return verdicts

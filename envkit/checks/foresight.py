"""Judge an environment for a machine by what its libraries hold: no code is run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from envkit.checks.driver import judge_driver
from envkit.checks.gpucode import judge_package
from envkit.models.build import Tier
from envkit.models.codes.gpucode import (
    DRIVER_REFUSES,
    DRIVER_RUNS,
    DUPLICATE_CUDA_LIBRARY,
    GPU_CODE_COVERS,
    GPU_CODE_MISSING,
    GPU_CODE_PARTLY,
    NOTHING_FOR_GPUS,
)
from envkit.models.codes.reasons import LIBRARY_WITHOUT_CODE
from envkit.models.fact import Fact
from envkit.models.gpucode import GpuPackage
from envkit.models.host import Target
from envkit.models.report import Finding
from envkit.models.version import CudaVersion
from envkit.tuples import NamedTuple


class BuiltWith(NamedTuple):
    """A package, and the CUDA toolkit that it was built with."""

    package: str  # its name and version
    build_cuda: CudaVersion
    major_only: bool  # whether only the major of the toolkit is known


def foresee(packages: Sequence[GpuPackage], built: Iterable[BuiltWith], target: Target) -> list[Finding]:
    """Judge an environment for a target: its builds' CUDA by the driver, its libraries by the GPUs.

    Args:
        packages: Its packages with GPU code.
        built: Its CUDA builds.
    """
    found = _driver_finding(built, target)
    findings = [found] if found is not None else []
    if not packages and found is None:
        return [Finding("gpu-code", "warn", Fact(NOTHING_FOR_GPUS))]
    return findings + code_findings(packages, target)


def code_findings(packages: Sequence[GpuPackage], target: Target) -> list[Finding]:
    """Judge what packages hold for the GPUs of a target, a finding for each of which something can be said."""
    found = []
    for package in packages:
        verdict = judge_package(package, target)
        if verdict is None or not verdict.reasons:
            continue
        check = f"gpu-code.{package.name}" if package.name else "gpu-code"
        partly = [reason for reason in verdict.reasons if reason.code == LIBRARY_WITHOUT_CODE]
        reason = next((reason for reason in verdict.reasons if reason not in partly), None)
        if verdict.refuses:
            found.append(Finding(check, "fail", Fact(GPU_CODE_MISSING, reason=verdict.reasons[0])))
            continue
        if reason is not None:
            data = {"tier": verdict.tier.value}
            found.append(Finding(check, "pass", Fact(GPU_CODE_COVERS, reason=reason), data=data))
        found += [Finding(check, "warn", Fact(GPU_CODE_PARTLY, reason=one)) for one in partly]
    return sorted(found, key=lambda finding: ("fail", "warn", "pass").index(finding.status))


def _driver_finding(built: Iterable[BuiltWith], target: Target) -> Finding | None:
    """Judge the build that the driver runs worst; None without CUDA builds, or where no driver is known."""
    judged = [(one, judge_driver(one.build_cuda, target, major_only=one.major_only)) for one in built]
    if not judged or (target.driver_version is None and target.driver_cuda is None):
        return None
    worst, verdict = max(judged, key=lambda item: (item[1].tier.rank, item[0].build_cuda, item[0].package))
    reason = verdict.reasons[0]
    if verdict.tier is Tier.NO:
        return Finding("driver", "fail", Fact(DRIVER_REFUSES, package=worst.package, reason=reason))
    fact = Fact(DRIVER_RUNS, package=worst.package, reason=reason)
    return Finding("driver", "pass", fact, data={"tier": verdict.tier.value, "build_cuda": str(worst.build_cuda)})


def copies_findings(copies: Mapping[str, Sequence[tuple[str, int]]]) -> list[Finding]:
    """Judge libraries of CUDA that an environment holds more than once: which one is loaded depends on the order.

    Args:
        copies: Path and size in bytes of each copy, by the library's name.
    """
    return [
        Finding(
            "cuda-libraries",
            "warn",
            Fact(DUPLICATE_CUDA_LIBRARY, library=library, copies=list(places)),
            data={"library": library, "copies": [{"path": path, "size_bytes": size} for path, size in places]},
        )
        for library, places in sorted(copies.items())
    ]

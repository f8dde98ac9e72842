"""Judge measured GPU code: what the libraries of a package hold for the GPUs of a target."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from envkit.builds.libraries import Role, library_role
from envkit.checks.driver import ceiling_of
from envkit.cuda.coverage import cover, main_ptx, main_sass
from envkit.cuda.drivers import min_driver, os_of
from envkit.models.build import Tier
from envkit.models.codes.reasons import (
    JIT,
    JIT_NEEDS_NEWER_DRIVER,
    LIBRARY_WITHOUT_CODE,
    MACHINE_CODE,
    NO_KERNEL_IMAGE,
    PARTLY_COVERED,
)
from envkit.models.fact import Reason
from envkit.models.gpucode import GpuLibrary, GpuPackage
from envkit.models.host import Gpu, Target
from envkit.tuples import NamedTuple
from envkit.values import dataclass


@dataclass(frozen=True, slots=True)
class CodeVerdict:
    """A package's GPU code x Target.

    Attributes:
        package: What was judged.
        tier: ``native`` (machine code for every GPU), ``jit`` (PTX for one) or ``no``.
        reasons: Why, the decisive one first; after it, libraries that lack a GPU and do not decide.
    """

    package: GpuPackage
    tier: Tier
    reasons: tuple[Reason, ...]

    @property
    def refuses(self) -> bool:
        """True where the package does not run on the target."""
        return self.tier is Tier.NO


class _Judged(NamedTuple):
    """One library for one GPU."""

    name: str
    role: Role
    tier: Tier
    reason: Reason


def judge_library(library: GpuLibrary, gpu: Gpu, target: Target, package: str = "") -> tuple[Tier, Reason]:
    """Judge what one library holds for one GPU of known compute capability.

    Args:
        target: The machine, for the driver that compiles PTX.
        package: Name and version of the package that it is in, for the reason.
    """
    coverage = cover(library, gpu)
    measured = {"gpu": gpu, "library": file_name(library), "package": package}
    held = {"sass": main_sass(library) or frozenset(library.sass), "ptx": main_ptx(library) or frozenset(library.ptx)}
    match coverage.kind:
        case "covered":
            return Tier.NATIVE, Reason(MACHINE_CODE, **measured)
        case "partly":
            numbers = {"entries": coverage.entries, "least": coverage.least}
            return Tier.NO, Reason(PARTLY_COVERED, **measured, **numbers, **held)
        case "none":
            return Tier.NO, Reason(NO_KERNEL_IMAGE, **measured, **held)
    ceiling, needed = ceiling_of(target), coverage.ptx_cuda
    if needed is not None and ceiling is not None and ceiling < needed:
        driver = min_driver(needed, os_of(target.subdir))
        facts = {"ptx": held["ptx"], "build_cuda": needed, "needed": driver, "ceiling": ceiling}
        return Tier.NO, Reason(JIT_NEEDS_NEWER_DRIVER, **measured, **facts)
    return Tier.JIT, Reason(JIT, **measured, ptx=held["ptx"])


def judge_package(package: GpuPackage, target: Target) -> CodeVerdict | None:
    """Judge the GPU code of a package for every GPU of a target.

    Each library of its own decides (`envkit.builds.libraries`). In a package that has none of these, one library with
    code for the GPU is enough: others may be for another toolkit, as in bitsandbytes. A package that most do without
    (NCCL, cuSPARSELt) is never refused.

    Returns:
        None where nothing can be said: the package holds no GPU code, or compiles at run time, or the target names no
        GPU whose compute capability is known.
    """
    gpus = [gpu for gpu in dict.fromkeys(target.gpus) if gpu.compute_capability is not None]
    roles = [(library, library_role(package.name, file_name(library))) for library in package.libraries]
    judging = [(x, role) for x, role in roles if role != "compiler" and (x.sass or x.ptx) and not _is_linked(x)]
    if not gpus or not judging:
        return None
    tier, reasons = Tier.NATIVE, list[Reason]()
    for gpu in gpus:
        called = f"{package.name} {package.version}".strip()
        judged = [_Judged(file_name(x), role, *judge_library(x, gpu, target, called)) for x, role in judging]
        decisive = _decisive(judged)
        if decisive is not None and decisive.tier.rank > tier.rank:
            tier, reasons = decisive.tier, [decisive.reason, *reasons]
        elif decisive is not None:
            reasons.append(decisive.reason)
        lacking = [each.name for each in judged if each is not decisive and _lacks(each, alone=decisive is None)]
        if lacking:
            reasons.append(Reason(LIBRARY_WITHOUT_CODE, gpu=gpu, libraries=lacking, package=called))
    return CodeVerdict(package, tier, tuple(reasons))


def _is_linked(library: GpuLibrary) -> bool:
    """Return whether a file is for a linker: no program loads it, such as libcudadevrt.a."""
    return library.path.endswith((".a", ".lib", ".o", ".obj"))


def _decisive(judged: Sequence[_Judged]) -> _Judged | None:
    """Return the library that decides: the worst of the package's own, else the best of those that no table knows."""
    own = [each for each in judged if each.role == "own"]
    if own:
        return max(own, key=lambda each: each.tier.rank)
    others = [each for each in judged if each.role != "optional"]
    return min(others, key=lambda each: each.tier.rank, default=None)


def _lacks(each: _Judged, *, alone: bool) -> bool:
    """Return whether a library that does not decide is worth a word: what needs it fails."""
    return not each.tier.runs and (alone or each.role in {"own", "part"})


def judge_packages(packages: Iterable[GpuPackage], target: Target) -> list[CodeVerdict]:
    """Judge the packages of an environment, the worst first; those of which nothing can be said are left out."""
    found = [verdict for package in packages if (verdict := judge_package(package, target)) is not None]
    return sorted(found, key=lambda verdict: -verdict.tier.rank)


def file_name(library: GpuLibrary) -> str:
    """Return the last part of a library's path."""
    return library.path.replace("\\", "/").rsplit("/", 1)[-1]

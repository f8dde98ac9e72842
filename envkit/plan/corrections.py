"""Requests that people copy from old instructions, and what works instead."""

from __future__ import annotations

from collections.abc import Callable

from envkit.builds.archlists import find_arch_list
from envkit.builds.dependency import version_bounds
from envkit.builds.families import channel_name
from envkit.checks.driver import ceiling_of, judge_driver, wants_cuda
from envkit.checks.gpu import judge_gpu
from envkit.frameworks.table import row_of
from envkit.models.build import Record, Tier
from envkit.models.codes.corrections import (
    CPUONLY_ON_MACOS,
    CPUONLY_WITH_CONDA_FORGE,
    CUDATOOLKIT_12,
    PYTORCH_CHANNEL_LACKS_GPU,
    PYTORCH_CUDA_DRIVER_TOO_OLD,
    PYTORCH_CUDA_ON_MACOS,
    PYTORCH_CUDA_TOO_NEW,
    PYTORCH_CUDA_WITHOUT_GPU,
    TENSORFLOW_GPU,
)
from envkit.models.fact import Fact, Reason
from envkit.models.host import Target
from envkit.models.request import Correction, CudaChoice, Request
from envkit.models.spec import MatchSpec
from envkit.models.version import CudaVersion
from envkit.values import replace

_MOST = 8  # corrections of one request: each takes something out, so that they end

_PYTORCH_CUDA = tuple(CudaVersion.parse(text) for text in ("12.4", "12.1", "11.8", "11.7"))
_LAST_CUDATOOLKIT = CudaVersion(11, 8)
_LAST_OF_CHANNEL = "2.5.1"  # channel pytorch's last version


def _without(request: Request, *names: str) -> tuple[str, ...]:
    return tuple(text for text, spec in request.pairs if spec.name not in names)


def _replaced(request: Request, name: str, new: str) -> tuple[str, ...]:
    return tuple(new if spec.name == name else text for text, spec in request.pairs)


def _conda_forge(request: Request) -> tuple[str, ...]:
    kept = [channel for channel in request.channels if channel_name(channel) not in {"pytorch", "nvidia"}]
    return tuple(kept) if any(channel_name(c) == "conda-forge" for c in kept) else (*kept, "conda-forge")


def _version(spec: MatchSpec) -> CudaVersion | None:
    return version_bounds(spec.version).low if spec.version else None


def _runs(cuda: CudaVersion, target: Target) -> bool:
    """Return whether channel pytorch's last build for a CUDA runs on the target."""
    if judge_driver(cuda, target).tier is Tier.NO:
        return False
    version = _LAST_OF_CHANNEL if cuda >= _LAST_CUDATOOLKIT else "2.0.1"
    record = Record(name="pytorch", version=version, build="", subdir="linux-64", channel="pytorch")
    arch = find_arch_list(record, cuda)
    return all(judge_gpu(gpu, cuda, arch, cuda, target).tier is not Tier.NO for gpu in target.gpus)


def _named(request: Request, cuda: str) -> str | None:
    """Return the ``--cuda`` that takes the place of one that was named, by a flag or a recipe, beside the package."""
    return None if request.cuda.kind == "auto" else cuda


def _pytorch_cuda(spec: MatchSpec, request: Request, target: Target) -> Correction | None:
    asked = _version(spec)
    rest = _without(request, "pytorch-cuda")
    if target.subdir.startswith("osx"):
        return Correction(Fact(PYTORCH_CUDA_ON_MACOS), rest, request.channels, _named(request, "auto"))
    if not wants_cuda(target):
        fact = Fact(PYTORCH_CUDA_WITHOUT_GPU, asked=asked)
        return Correction(fact, (*rest, "cpuonly"), request.channels, "none")
    if asked is None or _runs(asked, target):
        return None
    works = next((cuda for cuda in _PYTORCH_CUDA if cuda < asked and _runs(cuda, target)), None)
    driver = judge_driver(asked, target)
    if works is not None:
        reason = driver.reasons[0] if driver.tier is Tier.NO else None
        specs = _replaced(request, "pytorch-cuda", f"pytorch-cuda={works}")
        fact = Fact(PYTORCH_CUDA_TOO_NEW, asked=asked, works=works, reason=reason)
        return Correction(fact, specs, request.channels, _named(request, str(works)))
    if driver.tier is Tier.NO:
        fact = Fact(PYTORCH_CUDA_DRIVER_TOO_OLD, asked=asked, reason=driver.reasons[0])
        return Correction(fact, (*rest, "cpuonly"), request.channels, "none")
    capabilities = sorted({str(gpu.compute_capability) for gpu in target.gpus})
    fact = Fact(PYTORCH_CHANNEL_LACKS_GPU, asked=asked, last=_LAST_OF_CHANNEL, capabilities=capabilities)
    return Correction(fact, rest, _conda_forge(request), _named(request, "auto"))


def _cpuonly(_spec: MatchSpec, request: Request, target: Target) -> Correction | None:
    rest = _without(request, "cpuonly")
    if target.subdir.startswith("osx"):
        return Correction(Fact(CPUONLY_ON_MACOS), rest, request.channels, "none")
    if any(channel_name(channel) == "pytorch" for channel in request.channels):
        return None
    version = next((spec.version for spec in request.parsed if spec.name == "pytorch"), None)
    cpu = f"pytorch-cpu {version}" if version else "pytorch-cpu"
    return Correction(Fact(CPUONLY_WITH_CONDA_FORGE), (*rest, cpu), request.channels, "none")


def _tensorflow_gpu(spec: MatchSpec, request: Request, target: Target) -> Correction | None:
    version = spec.version or ("*" if spec.build else None)
    plain = " ".join(part for part in ("tensorflow", version, spec.build) if part)
    fact = Fact(TENSORFLOW_GPU, macos=target.subdir.startswith("osx"))
    return Correction(fact, _replaced(request, "tensorflow-gpu", plain), request.channels)


def _cudatoolkit(spec: MatchSpec, request: Request, target: Target) -> Correction | None:
    asked = _version(spec)
    if asked is None or asked <= _LAST_CUDATOOLKIT:
        return None
    rows = [row for spec in request.parsed if (row := row_of(spec.name)) is not None]
    reason: Reason | None = None
    ceiling = ceiling_of(target)
    if ceiling is not None and ceiling.major < asked.major:
        reason = judge_driver(asked, target).reasons[0]
    if any(not row.gpu_is_optional for row in rows):
        exact = any(row.key == "pytorch" for row in rows) and asked in _PYTORCH_CUDA
        cuda = str(asked) if exact else str(asked.major)
        fact = Fact(CUDATOOLKIT_12, last=_LAST_CUDATOOLKIT, asked=asked, reason=reason, cuda=cuda)
        return Correction(fact, _without(request, "cudatoolkit"), request.channels, cuda)
    specs = _replaced(request, "cudatoolkit", f"cuda-version={asked}")
    fact = Fact(CUDATOOLKIT_12, last=_LAST_CUDATOOLKIT, asked=asked, reason=reason, cuda=None)
    return Correction(fact, specs, request.channels)


_Rule = Callable[[MatchSpec, Request, Target], "Correction | None"]
_RULES: dict[str, _Rule] = {
    "pytorch-cuda": _pytorch_cuda,
    "cpuonly": _cpuonly,
    "tensorflow-gpu": _tensorflow_gpu,
    "cudatoolkit": _cudatoolkit,
}


def find_corrections(request: Request, target: Target) -> list[Correction]:
    """List what in a request is known not to work, each with the request that does.

    Each correction stands alone: apply one (`--fix`), then ask again for what is left.
    """
    found: list[Correction] = []
    for spec in request.parsed:
        rule = _RULES.get(spec.name)
        correction = rule(spec, request, target) if rule is not None else None
        if correction is not None:
            found.append(correction)
    return found


def apply_corrections(request: Request, target: Target) -> tuple[Request, tuple[Correction, ...]]:
    """Apply one correction after the other until none is left; return the request and what was applied.

    A correction that names a ``--cuda`` replaces the user's: what it was about does not work.
    """
    applied: list[Correction] = []
    while len(applied) < _MOST:
        found = find_corrections(request, target)
        if not found:
            break
        first = found[0]
        cuda = CudaChoice.parse(first.cuda) if first.cuda is not None else request.cuda
        request = replace(request, specs=first.specs, channels=first.channels, cuda=cuda)
        applied.append(first)
    return request, tuple(applied)

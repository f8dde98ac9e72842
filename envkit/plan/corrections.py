"""Requests that people copy from old instructions, and what works instead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from envkit.builds.archlists import find_arch_list
from envkit.builds.dependency import MatchSpec, parse_match_spec, version_bounds
from envkit.builds.families import channel_name
from envkit.checks.driver import ceiling_of, judge_driver, wants_cuda
from envkit.checks.gpu import judge_gpu
from envkit.frameworks.table import row_of
from envkit.models.build import Record, Tier
from envkit.models.host import Target
from envkit.models.request import Correction, CudaChoice, Request
from envkit.models.version import CudaVersion

__all__ = ["Correction", "apply_corrections", "find_corrections"]

_MOST = 8  # corrections of one request: each takes something out, so that they end

_PYTORCH_CUDA = tuple(CudaVersion.parse(text) for text in ("12.4", "12.1", "11.8", "11.7"))
_LAST_CUDATOOLKIT = CudaVersion(11, 8)


def _without(request: Request, *names: str) -> tuple[str, ...]:
    return tuple(text for text in request.specs if parse_match_spec(text).name not in names)


def _replaced(request: Request, name: str, new: str) -> tuple[str, ...]:
    return tuple(new if parse_match_spec(text).name == name else text for text in request.specs)


def _conda_forge(request: Request) -> tuple[str, ...]:
    kept = [channel for channel in request.channels if channel_name(channel) not in {"pytorch", "nvidia"}]
    return tuple(kept) if any(channel_name(c) == "conda-forge" for c in kept) else (*kept, "conda-forge")


def _version(spec: MatchSpec) -> CudaVersion | None:
    return version_bounds(spec.version).low if spec.version else None


def _runs(cuda: CudaVersion, target: Target) -> bool:
    """Whether channel pytorch's last build (2.5.1, or the last for that CUDA) runs on the target."""
    if judge_driver(cuda, False, target).tier is Tier.NO:  # noqa: FBT003 - the minor is known
        return False
    version = "2.5.1" if cuda >= _LAST_CUDATOOLKIT else "2.0.1"
    record = Record(name="pytorch", version=version, build="", subdir="linux-64", channel="pytorch")
    arch = find_arch_list(record, cuda)
    return all(judge_gpu(gpu, cuda, arch, cuda, target).tier is not Tier.NO for gpu in target.gpus)


def _pytorch_cuda(spec: MatchSpec, request: Request, target: Target) -> Correction | None:
    asked = _version(spec)
    rest = _without(request, "pytorch-cuda")
    if target.subdir.startswith("osx"):
        text = "pytorch-cuda is for Linux and Windows; PyTorch for macOS uses Metal without it: pytorch-cuda is dropped"
        return Correction("pytorch-cuda-on-macos", text, rest, request.channels)
    if not wants_cuda(target):
        text = (
            f"pytorch-cuda {asked or ''}".strip() + " on a target without a GPU: conda would install it all the "
            "same (channel pytorch never asks for a driver): cpuonly instead"
        )
        return Correction("pytorch-cuda-without-gpu", text, (*rest, "cpuonly"), request.channels, "none")
    if asked is None or _runs(asked, target):
        return None
    works = next((cuda for cuda in _PYTORCH_CUDA if cuda < asked and _runs(cuda, target)), None)
    driver = judge_driver(asked, False, target)  # noqa: FBT003 - the minor is known
    if works is not None:
        why = driver.reasons[0].text if driver.tier is Tier.NO else "its builds hold no code for this GPU"
        text = f"pytorch-cuda {asked}: {why}: pytorch-cuda {works} runs there"
        specs = _replaced(request, "pytorch-cuda", f"pytorch-cuda={works}")
        return Correction("pytorch-cuda-too-new", text, specs, request.channels, None)
    if driver.tier is Tier.NO:
        text = f"pytorch-cuda {asked}: {driver.reasons[0].text}, and no older one runs there either: cpuonly instead"
        return Correction("pytorch-cuda-driver-too-old", text, (*rest, "cpuonly"), request.channels, "none")
    gpus = ", ".join(sorted({str(gpu.compute_capability) for gpu in target.gpus}))
    text = (
        f"pytorch-cuda {asked}: channel pytorch ended with 2.5.1, whose builds hold no code for compute capability "
        f"{gpus}: conda-forge's pytorch has it"
    )
    return Correction("pytorch-channel-lacks-gpu", text, rest, _conda_forge(request))


def _cpuonly(_spec: MatchSpec, request: Request, target: Target) -> Correction | None:
    rest = _without(request, "cpuonly")
    if target.subdir.startswith("osx"):
        return Correction(
            "cpuonly-on-macos", "PyTorch for macOS has no CUDA: cpuonly is dropped", rest, request.channels, "none"
        )
    if any(channel_name(channel) == "pytorch" for channel in request.channels):
        return None
    text = "cpuonly works with channel pytorch only; on conda-forge the CPU build is pytorch-cpu"
    version = next((parse_match_spec(t).version for t in request.specs if parse_match_spec(t).name == "pytorch"), None)
    cpu = f"pytorch-cpu {version}" if version else "pytorch-cpu"
    return Correction("cpuonly-with-conda-forge", text, (*rest, cpu), request.channels, "none")


def _tensorflow_gpu(spec: MatchSpec, request: Request, target: Target) -> Correction | None:
    version = spec.version or ("*" if spec.build else None)
    plain = " ".join(part for part in ("tensorflow", version, spec.build) if part)
    if target.subdir.startswith("osx"):
        text = "tensorflow-gpu is not built for macOS: tensorflow instead"
    else:
        text = "tensorflow-gpu is an empty package on most channels; tensorflow's cuda builds are what it means"
    return Correction("tensorflow-gpu", text, _replaced(request, "tensorflow-gpu", plain), request.channels)


def _cudatoolkit(spec: MatchSpec, request: Request, target: Target) -> Correction | None:
    asked = _version(spec)
    if asked is None or asked <= _LAST_CUDATOOLKIT:
        return None
    rows = [row for text in request.specs if (row := row_of(parse_match_spec(text).name)) is not None]
    ended = f"cudatoolkit ended with {_LAST_CUDATOOLKIT}"
    ceiling = ceiling_of(target)
    if ceiling is not None and ceiling.major < asked.major:
        ended += f" (and {judge_driver(asked, False, target).reasons[0].text})"  # noqa: FBT003 - the minor is known
    if any(not row.gpu_is_optional for row in rows):
        exact = any(row.key == "pytorch" for row in rows) and asked in _PYTORCH_CUDA
        cuda = str(asked) if exact else str(asked.major)
        text = f"{ended}: which CUDA a framework was compiled with is said by --cuda {cuda}"
        return Correction("cudatoolkit-12", text, _without(request, "cudatoolkit"), request.channels, cuda)
    text = f"{ended}: from CUDA 12 on the toolkit is many packages that follow cuda-version, so cuda-version={asked}"
    specs = _replaced(request, "cudatoolkit", f"cuda-version={asked}")
    return Correction("cudatoolkit-12", text, specs, request.channels)


_Rule = Callable[[MatchSpec, Request, Target], "Correction | None"]
_RULES: dict[str, _Rule] = {
    "pytorch-cuda": _pytorch_cuda,
    "cpuonly": _cpuonly,
    "tensorflow-gpu": _tensorflow_gpu,
    "cudatoolkit": _cudatoolkit,
}


def find_corrections(request: Request, target: Target) -> list[Correction]:
    """What in a request is known not to work, each with the request that does.

    Each correction stands alone: apply one (`--fix`), then ask again for what is left.
    """
    found: list[Correction] = []
    for text in request.specs:
        spec = parse_match_spec(text)
        rule = _RULES.get(spec.name)
        correction = rule(spec, request, target) if rule is not None else None
        if correction is not None:
            found.append(correction)
    return found


def apply_corrections(request: Request, target: Target) -> tuple[Request, tuple[Correction, ...]]:
    """The request with one correction after the other applied, until none is left; and those that were.

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

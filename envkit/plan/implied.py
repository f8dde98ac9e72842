"""The CUDA that packages of a request imply where no flag names it."""

from __future__ import annotations

from envkit.builds.buildstring import parse_build_string
from envkit.builds.dependency import version_bounds
from envkit.builds.flags import read_flags
from envkit.errors import UsageError
from envkit.frameworks.table import TOOLKIT_PACKAGES, row_of
from envkit.models.request import CudaChoice, Request
from envkit.models.spec import MatchSpec
from envkit.models.version import CudaVersion
from envkit.tuples import NamedTuple
from envkit.values import replace


class _Implied(NamedTuple):
    choice: CudaChoice
    spec: str


def _of_toolkit(spec: MatchSpec) -> CudaChoice | None:
    bounds = version_bounds(spec.version) if spec.version else None
    if bounds is None or bounds.low is None:
        return None
    # cuda-version bounds the libraries, and a build needs no newer ones than its own: its major is what is meant.
    if spec.name != "cuda-version" and bounds.one_minor:
        return CudaChoice("exact", bounds.low)
    return CudaChoice("major", bounds.low) if bounds.high is not None else None


def _of_build(spec: MatchSpec) -> CudaChoice | None:
    """Read the CUDA of ``pytorch=2.5=*cuda12.1*``, ``pytorch=*=cpu_*`` and ``pytorch[flags=["cuda:12_9"]]``."""
    row = row_of(spec.name)
    if row is None or row.gpu_is_optional:
        return None
    said = parse_build_string(spec.build.strip("*")) if spec.build is not None else read_flags({"flags": spec.flags})
    if said.variant == "cpu":
        return CudaChoice("none")
    if said.cuda is not None:
        return CudaChoice("major" if said.cuda_major_only else "exact", said.cuda)
    return None


def _implied(request: Request) -> _Implied | None:
    found: _Implied | None = None
    for text, spec in request.pairs:
        choice = _of_toolkit(spec) if spec.name in TOOLKIT_PACKAGES else _of_build(spec)
        if (row := row_of(spec.name)) is not None and spec.name in row.cpu_packages:
            choice = CudaChoice("none")
        if choice is None:
            continue
        if found is None or (found.choice.kind == "major" and choice.kind == "exact"):
            found = _Implied(choice, text)
    return found


def _agree(one: CudaChoice, other: CudaChoice) -> bool:
    if one.version is None or other.version is None:
        return one.kind == other.kind
    if "major" in {one.kind, other.kind}:
        return one.version.major == other.version.major
    return one.version == other.version


def imply_cuda(request: Request) -> Request:
    """Take over the CUDA that packages name: ``pytorch-cuda=12.1`` is ``--cuda 12.1``, ``cpuonly`` is none."""
    found = _implied(request)
    if found is None:
        return request
    if request.cuda.kind == "auto":
        return replace(request, cuda=found.choice)
    if not _agree(request.cuda, found.choice):
        raise UsageError(
            f"--cuda {request.cuda} contradicts {found.spec}",
            hint=f"Leave one of them out: {found.spec} alone means --cuda {found.choice}.",
        )
    return request


def allows_toolkit(request: Request, build_cuda: CudaVersion | None) -> bool:
    """Return whether the request's ``cuda-version`` admits libraries as new as a build's toolkit."""
    if build_cuda is None:
        return True
    for spec in request.parsed:
        high = version_bounds(spec.version).high if spec.name == "cuda-version" and spec.version else None
        if high is not None and build_cuda >= high:
            return False
    return True

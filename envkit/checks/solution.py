"""A solution, record by record, before the disk is touched: the traps that no solver sees."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from envkit.builds.classify import classify_all
from envkit.builds.families import channel_name
from envkit.builds.knowledge import Knowledge
from envkit.builds.signals import read_dependency
from envkit.builds.version import version_key
from envkit.checks.driver import wants_cuda
from envkit.checks.verdict import judge
from envkit.cuda.libraries import LIBRARY_NAMES, dropped_by_library, libraries_need_toolkit, library_min_version
from envkit.frameworks.table import CUDA_FRAMEWORKS, is_stub, row_of
from envkit.models.build import Build, Record, Tier
from envkit.models.codes.reasons import (
    CODE_INFERRED,
    CPU_BUILD,
    CUDA_BUILD,
    LIBRARY_DROPPED_GPU,
    LIBRARY_LACKS_GPU,
    MIXED_CUDA,
    MKL_TOO_NEW,
    NOT_IN_SOLUTION,
    WRONG_CUDA,
)
from envkit.models.fact import Reason
from envkit.models.host import Target
from envkit.models.request import Request
from envkit.models.version import CudaVersion
from envkit.values import dataclass, replace


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason not to install a solution, and the record that it is about."""

    record: Record
    reason: Reason


def asks_cuda(request: Request, target: Target) -> bool:
    """Return whether a request asks for CUDA: by name, or ``auto`` on a target with a usable GPU or a named driver."""
    return request.cuda.asks_cuda or (request.cuda.kind == "auto" and wants_cuda(target))


def _called(record: Record) -> str:
    return f"{record.name} {record.version}"


def _library_version(record: Record) -> tuple[int, int]:
    try:
        return CudaVersion.parse(record.version)
    except ValueError:
        return (0, 0)


def _variants(builds: Sequence[Build], target: Target, request: Request) -> Iterable[Refusal]:
    if request.cuda.kind == "none":
        for build in builds:
            if build.variant == "cuda" and build.framework in CUDA_FRAMEWORKS and not is_stub(build.record.name):
                yield Refusal(build.record, Reason(CUDA_BUILD, name=_called(build.record)))
        return
    if not asks_cuda(request, target):
        return
    incidental = _incidental(builds, request)
    for build in builds:
        if build.variant == "cpu" and build.framework in CUDA_FRAMEWORKS and build.framework not in incidental:
            name = f"{build.record.name} {build.record.version} {build.record.build}"
            yield Refusal(build.record, Reason(CPU_BUILD, name=name))
        elif (
            build.variant == "cuda"
            and build.framework in CUDA_FRAMEWORKS
            and build.build_cuda is not None
            and request.cuda.asks_cuda
            and not request.cuda.matches(build.build_cuda, major_only=build.cuda_major_only)
            and not is_stub(build.record.name)
        ):
            facts = {"name": build.record.name, "build_cuda": build.build_cuda, "asked": request.cuda}
            yield Refusal(build.record, Reason(WRONG_CUDA, **facts))


def _incidental(builds: Sequence[Build], request: Request) -> frozenset[str]:
    """List frameworks that are dependencies only, beside a requested one that is here as a CUDA build.

    conda-forge's tensorflow depends on jax, of which it needs no GPU; a request that names no framework at all
    (a library on top of PyTorch) has none of these.
    """
    asked = {row.key for spec in request.parsed if (row := row_of(spec.name)) is not None}
    served = any(b.variant == "cuda" and b.framework in asked and b.framework in CUDA_FRAMEWORKS for b in builds)
    return CUDA_FRAMEWORKS - asked if served else frozenset()


def _needs_driver(build: Build) -> bool:
    """Return whether a record needs a driver: a framework's CUDA build, or one that depends on ``__cuda``."""
    if build.variant != "cuda":
        return True
    if build.framework in CUDA_FRAMEWORKS:
        return not is_stub(build.record.name)
    signals = (read_dependency(text) for text in build.record.depends)
    return any(signal is not None and signal.kind == "driver" for signal in signals)


def _verdicts(builds: Sequence[Build], target: Target) -> Iterable[Refusal]:
    for build in builds:
        verdict = judge(build, target)  # the solver has seen to the Python
        if verdict.tier is not Tier.NO or not verdict.reasons:
            continue
        reason = verdict.reasons[0]
        if reason.code == "no-gpu" and not _needs_driver(build):
            continue
        if any(told.code == CODE_INFERRED for told in verdict.reasons):
            continue
        yield Refusal(build.record, reason)


def check_wheels(builds: Sequence[Build], target: Target, request: Request) -> list[Refusal]:
    """Return why wheels would not run on a target, or not as the request asks; all of them were asked for."""
    return [*_variants(builds, target, replace(request, specs=())), *_verdicts(builds, target)]


def _majors(builds: Sequence[Build]) -> Iterable[Refusal]:
    first: Build | None = None
    for build in builds:
        if build.variant != "cuda" or build.build_cuda is None:
            continue
        if first is None or first.build_cuda is None:
            first = build
        elif build.build_cuda.major != first.build_cuda.major:
            other = {"other": _called(first.record), "other_cuda": first.build_cuda}
            mixed = Reason(MIXED_CUDA, name=_called(build.record), build_cuda=build.build_cuda, **other)
            yield Refusal(build.record, mixed)


def _users_toolkit(builds: Sequence[Build]) -> CudaVersion | None:
    """Return the toolkit of the solution's libraries: that of cuda-version, else of the frameworks."""
    for build in builds:
        if build.record.name == "cuda-version":
            return build.build_cuda
    known = [b.build_cuda for b in builds if b.build_cuda is not None and b.framework in CUDA_FRAMEWORKS]
    return max(known) if known else None


def _libraries(builds: Sequence[Build], target: Target) -> Iterable[Refusal]:
    toolkit = _users_toolkit(builds)
    capabilities = {gpu.compute_capability for gpu in target.gpus if gpu.compute_capability is not None}
    for build in builds:
        if build.record.name not in LIBRARY_NAMES or build.variant != "cuda":
            continue
        library, version = _called(build.record), _library_version(build.record)
        major = build.build_cuda.major if build.build_cuda else toolkit.major if toolkit else 0
        own = toolkit if build.cuda_major_only or build.build_cuda is None else build.build_cuda
        for capability in sorted(capabilities):
            row = dropped_by_library(build.record.name, version, major, capability)
            if row is not None:
                dropped = Reason(
                    LIBRARY_DROPPED_GPU,
                    version=f"{version[0]}.{version[1]}",
                    cuda_major=major,
                    capability=capability,
                    dropped_from=row.first,
                    lowest=row.lowest,
                )
                yield Refusal(build.record, dropped)
            needed = libraries_need_toolkit(capability)
            least = library_min_version(build.record.name, capability)
            if least is not None and version < least:
                yield Refusal(
                    build.record, Reason(LIBRARY_LACKS_GPU, library=library, capability=capability, needed=least)
                )
            elif needed is not None and own is not None and own < needed[0]:
                facts = {"library": library, "of_cuda": own, "capability": capability, "needed": needed[0]}
                yield Refusal(build.record, Reason(LIBRARY_LACKS_GPU, **facts))


def _broken_by(records: Sequence[Record]) -> Iterable[Refusal]:
    """Find packages that are too new for a framework of this solution, which no record says."""
    versions = {record.name: record for record in records}
    for record in records:
        row = row_of(record.name)
        for limit in row.limits if row is not None and record.name == row.compiled else ():
            other = versions.get(limit.package)
            if (
                other is not None
                and channel_name(record.channel) == limit.channel
                and version_key(record.version) < version_key(limit.fixed_in)
                and version_key(other.version) >= version_key(limit.below)
            ):
                facts = {"other": _called(other), "name": _called(record), "limit": limit}
                yield Refusal(other, Reason(MKL_TOO_NEW, **facts))


def _missing(records: Sequence[Record], request: Request) -> Iterable[Refusal]:
    """Refuse a solution that lacks a framework of the request."""
    names = {record.name for record in records}
    for spec in request.parsed:
        row = row_of(spec.name)
        if row is not None and not row.gpu_is_optional and spec.name not in names:
            record = Record(name=spec.name, version="", build="")
            yield Refusal(record, Reason(NOT_IN_SOLUTION, name=spec.name))


def check_solution(
    records: Sequence[Record], target: Target, request: Request, knowledge: Knowledge | None = None
) -> list[Refusal]:
    """List the reasons not to install a solution; empty when there is none.

    Args:
        records: The exact records that a solver chose.
        knowledge: What is known of GPU code; that of this release where None. What is only inferred refuses nothing:
            the packages are read before they are published.

    Returns:
        Every reason, each with its record, in the order: variants, verdicts, CUDA majors, libraries, mkl. A record
        that is refused twice for the same reason is listed once.
    """
    builds = classify_all(records, knowledge)
    found = [
        *_missing(records, request),
        *_variants(builds, target, request),
        *_verdicts(builds, target),
        *_majors(builds),
        *_libraries(builds, target),
        *_broken_by(records),
    ]
    return list({(refusal.record.fn, refusal.record.name, refusal.reason.code): refusal for refusal in found}.values())

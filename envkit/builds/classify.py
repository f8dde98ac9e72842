"""From a record to a `Build`: dependencies and constraints speak first, the build string second."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from envkit.builds.archlists import find_arch_list
from envkit.builds.buildstring import BuildString, parse_build_string
from envkit.builds.families import CUDA_LIBRARIES, TOOLKIT_PACKAGES, framework_of_package, is_core
from envkit.builds.flags import read_flags
from envkit.builds.needs import read_needs, read_python
from envkit.builds.signals import Kind, Signal, read_constraint, read_dependency
from envkit.builds.version import version_key
from envkit.cuda.drivers import newest_toolkit
from envkit.models.build import Build, Record, Variant
from envkit.models.version import CudaVersion

__all__ = ["classify"]

_ALWAYS_CUDA = frozenset({"cupy", "cupy-core", "pytorch-cuda", "cuda-version", "cudatoolkit"})
_FIRST_MPS = version_key("1.12")
_OLDEST_MAJOR = 7  # conda has no older toolkit; a smaller number is a package's own version


class _Notes:
    """Evidence and conflicts, in the order in which they were met."""

    def __init__(self) -> None:
        self.evidence: list[str] = []
        self.conflicts: list[str] = []


class _Toolkit(NamedTuple):
    cuda: CudaVersion | None = None
    major_only: bool = False
    library: CudaVersion | None = None


def _signals(texts: Iterable[str], constrains: Iterable[str]) -> tuple[list[Signal], list[Signal]]:
    dependencies = [signal for text in texts if (signal := read_dependency(text)) is not None]
    constraints = [signal for text in constrains if (signal := read_constraint(text)) is not None]
    return dependencies, constraints


def _name_variant(name: str) -> Variant | None:
    if name in _ALWAYS_CUDA or name in CUDA_LIBRARIES or name.endswith("-gpu"):
        return "cuda"
    if name == "cpuonly" or name.endswith("-cpu"):
        return "cpu"
    return None


def _variant(
    record: Record, dependencies: list[Signal], constraints: list[Signal], said: BuildString, notes: _Notes
) -> Variant:
    """The variant, by the most trusted source that has one; the others are checked against it."""
    claims: list[tuple[Variant, str]] = []
    for source, signals in (("depends", dependencies), ("constrains", constraints)):
        for wanted in ("cuda", "cpu"):
            claims.extend((wanted, f"{source}: {s.text}") for s in signals if s.variant == wanted)
    flag = read_flags(record.raw)
    if flag.variant is not None:
        claims.append((flag.variant, f"flags: {flag.text}"))
    by_name = _name_variant(record.name)
    if by_name is not None:
        claims.append((by_name, f"name: {record.name}"))
    string_variant = said.variant
    if string_variant is None and said.math and framework_of_package(record.name) in {"tensorflow", "mxnet"}:
        string_variant = "cpu"
    if string_variant is not None:
        claims.append((string_variant, f"build string: {record.build}"))
    if string_variant == "mps":
        notes.evidence.append(claims[-1][1])
        return "mps"
    if not claims:
        if is_core(record.name) and record.subdir != "noarch":
            notes.evidence.append("no sign of CUDA in a compiled package")
            claims.append(("cpu", ""))
        else:
            return "generic"
    chosen, why = claims[0]
    if why:
        notes.evidence.append(why)
    for other, text in claims[1:]:
        if other != chosen:
            notes.conflicts.append(f"{why} says {chosen}, {text} says {other}")
            break
    if chosen == "cpu" and _has_metal(record):
        notes.evidence.append("PyTorch for Apple silicon has Metal (MPS) since 1.12")
        return "mps"
    return chosen


def _has_metal(record: Record) -> bool:
    return (
        record.subdir == "osx-arm64"
        and record.name in {"pytorch", "libtorch"}
        and version_key(record.version) >= _FIRST_MPS
    )


def _own_toolkit(record: Record) -> CudaVersion | None:
    """The toolkit that a part of CUDA is of, by its own version."""
    if record.name not in TOOLKIT_PACKAGES and not (record.name in CUDA_LIBRARIES and record.name.startswith("cuda-")):
        return None
    try:
        own = CudaVersion.parse(record.version)
    except ValueError:
        return None
    return own if own.major >= _OLDEST_MAJOR else None


def _library_cuda(signals: list[Signal]) -> CudaVersion | None:
    for signal in signals:
        bounds = signal.bounds
        if signal.kind is Kind.TOOLKIT and bounds.low is not None:
            if bounds.one_minor:
                return bounds.low
            return newest_toolkit(bounds.low.major)
    return None


def _toolkit(
    record: Record, dependencies: list[Signal], constraints: list[Signal], said: BuildString, notes: _Notes
) -> _Toolkit:
    own = _own_toolkit(record)
    if own is not None:
        return _Toolkit(own, "." not in record.version, own)
    signals = dependencies + constraints
    toolkits = sorted(
        (s for s in signals if s.kind is Kind.TOOLKIT and s.bounds.low is not None),
        key=lambda s: TOOLKIT_PACKAGES.index(s.name),
    )
    library = _library_cuda(toolkits)
    string_cuda = said.cuda
    for signal in toolkits:
        low, high = signal.bounds.low, signal.bounds.high
        if low is None:
            continue
        notes.evidence.append(signal.text)
        if string_cuda is None:
            return _Toolkit(low, not signal.bounds.low_has_minor, library)
        inside = low <= string_cuda and (high is None or string_cuda < high)
        if said.cuda_major_only and low.major == string_cuda.major:
            return _Toolkit(low, not signal.bounds.low_has_minor, library)
        if inside:
            return _Toolkit(string_cuda, False, library)
        notes.conflicts.append(f"{signal.text} says CUDA {low}, build string {record.build} says {string_cuda}")
        return _Toolkit(low, False, library)
    for signal in signals:
        if signal.cuda is not None:
            if string_cuda is not None and string_cuda != signal.cuda:
                notes.conflicts.append(
                    f"{signal.text} says CUDA {signal.cuda}, build string {record.build} says {string_cuda}"
                )
            notes.evidence.append(signal.text)
            return _Toolkit(signal.cuda, False, library)
    flag = read_flags(record.raw)
    if flag.cuda is not None:
        notes.evidence.append(f"flags: {flag.text}")
        return _Toolkit(flag.cuda, flag.cuda_major_only, library)
    if string_cuda is not None:
        return _Toolkit(string_cuda, said.cuda_major_only, library)
    for signal in dependencies:
        if signal.kind is Kind.RUNTIME and signal.bounds.low is not None:
            notes.evidence.append(signal.text)
            return _Toolkit(signal.bounds.low, not signal.bounds.low_has_minor, library)
    return _feature_toolkit(record.raw, notes)


def _feature_toolkit(raw: Mapping[str, Any], notes: _Notes) -> _Toolkit:
    """``features: cuda92``, the mechanism of 2018."""
    features = raw.get("features")
    if isinstance(features, str):
        said = parse_build_string(features.replace(" ", "_"))
        if said.cuda is not None:
            notes.evidence.append(f"features: {features}")
            return _Toolkit(said.cuda, said.cuda_major_only, None)
    return _Toolkit()


def _min_cuda(signals: list[Signal]) -> CudaVersion | None:
    lows = [s.bounds.low for s in signals if s.kind is Kind.DRIVER and s.bounds.low is not None]
    return max(lows) if lows else None


def classify(record: Record) -> Build:
    """What a record means for a GPU. Total: any record, however broken, gives a Build.

    Args:
        record: A record of any channel.

    Returns:
        The Build, with what it was read from (`Build.evidence`) and what disagrees (`Build.conflicts`).
    """
    notes = _Notes()
    dependencies, constraints = _signals(record.depends, record.constrains)
    said = parse_build_string(record.build)
    variant = _variant(record, dependencies, constraints, said, notes)
    toolkit = _Toolkit()
    if variant == "cuda":
        toolkit = _toolkit(record, dependencies, constraints, said, notes)
    python = read_python(dependencies, said.python, record, notes.conflicts)
    if said.rocm:
        notes.conflicts.append(f"build string {record.build} is for AMD GPUs (ROCm)")
    return Build(
        record=record,
        framework=framework_of_package(record.name),
        variant=variant,
        build_cuda=toolkit.cuda,
        cuda_major_only=toolkit.major_only,
        min_cuda=_min_cuda(dependencies + constraints) if variant == "cuda" else None,
        python=python,
        arch=find_arch_list(record, toolkit.cuda) if toolkit.cuda and not toolkit.major_only else None,
        evidence=tuple(notes.evidence),
        conflicts=tuple(notes.conflicts),
        needs=read_needs(dependencies, constraints),
        library_cuda=toolkit.library,
    )

"""The CUDA toolkit of a build: what the record says, by trust."""

from __future__ import annotations

from envkit.builds.buildstring import BuildString, parse_build_string
from envkit.builds.families import is_cuda_library
from envkit.builds.flags import read_flags
from envkit.builds.signals import Signal
from envkit.cuda.drivers import newest_toolkit
from envkit.frameworks.table import TOOLKIT_PACKAGES
from envkit.models.build import Claim, Record, disagree
from envkit.models.fact import Reason
from envkit.models.version import CudaVersion
from envkit.tuples import NamedTuple

_OLDEST_MAJOR = 7  # conda has no older toolkit; a smaller number is a package's own version


class Toolkit(NamedTuple):
    """The toolkit of a build."""

    cuda: CudaVersion | None = None  # the toolkit; None when nothing says it
    major_only: bool = False  # whether only its major is known
    library: CudaVersion | None = None  # the newest toolkit whose libraries the dependencies let in


def _own(record: Record) -> Toolkit | None:
    """Read the toolkit of a part of CUDA from its own version."""
    of_toolkit = record.name.startswith("cuda-") and is_cuda_library(record.name)
    if not of_toolkit and record.name not in TOOLKIT_PACKAGES:
        return None
    try:
        own = CudaVersion.parse(record.version)
    except ValueError:
        return None
    return Toolkit(own, "." not in record.version, own) if own.major >= _OLDEST_MAJOR else None


def _from_bounds(signal: Signal, record: Record, said: BuildString, conflicts: list[Reason]) -> Toolkit | None:
    """Read a dependency on the toolkit; the build string makes it exact where it lies inside the bounds."""
    low, high = signal.bounds.low, signal.bounds.high
    if low is None:
        return None
    library = low if signal.bounds.one_minor else newest_toolkit(low.major)
    if said.cuda is not None and not (said.cuda_major_only and low.major == said.cuda.major):
        if low <= said.cuda and (high is None or said.cuda < high):
            return Toolkit(said.cuda, said.cuda_major_only, library)
        conflicts.append(
            disagree(Claim("", signal.text, f"CUDA {low}"), Claim("build string", record.build, f"{said.cuda}"))
        )
    return Toolkit(low, not signal.bounds.low_has_minor, library)


def _from_companion(
    signals: list[Signal], record: Record, said: BuildString, conflicts: list[Reason]
) -> Toolkit | None:
    """Read the build string of another package that this one names: ``pytorch 2.4.* cuda118*``."""
    signal = next((signal for signal in signals if signal.cuda is not None), None)
    if signal is None:
        return None
    if said.cuda is not None and not said.cuda_major_only and said.cuda != signal.cuda:
        ours = Claim("", signal.text, f"CUDA {signal.cuda}")
        conflicts.append(disagree(ours, Claim("build string", record.build, f"{said.cuda}")))
    return Toolkit(signal.cuda)


def _from_rest(record: Record, dependencies: list[Signal], said: BuildString) -> Toolkit:
    """Read flags, then the build string, then a run-time library's version, then the ``features`` of 2018."""
    flag = read_flags(record.raw)
    if flag.cuda is not None:
        return Toolkit(flag.cuda, flag.cuda_major_only)
    if said.cuda is not None:
        return Toolkit(said.cuda, said.cuda_major_only)
    for signal in dependencies:
        if signal.kind == "runtime" and signal.bounds.low is not None:
            return Toolkit(signal.bounds.low, not signal.bounds.low_has_minor)
    features = record.raw.get("features")
    if isinstance(features, str):
        named = parse_build_string(features.replace(" ", "_"))
        if named.cuda is not None:
            return Toolkit(named.cuda, named.cuda_major_only)
    return Toolkit()


def read_toolkit(
    record: Record, dependencies: list[Signal], constraints: list[Signal], said: BuildString, conflicts: list[Reason]
) -> Toolkit:
    """Read the toolkit of a CUDA build: own version, dependencies, constraints, companions, then the build string."""
    own = _own(record)
    if own is not None:
        return own
    signals = dependencies + constraints
    toolkits = [s for s in signals if s.kind == "toolkit" and s.bounds.low is not None]
    if toolkits:
        best = min(toolkits, key=lambda s: TOOLKIT_PACKAGES.index(s.name))
        found = _from_bounds(best, record, said, conflicts)
        if found is not None:
            return found
    return _from_companion(signals, record, said, conflicts) or _from_rest(record, dependencies, said)

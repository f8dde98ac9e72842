"""A package build: the channel's record, and what it means for a GPU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal, NamedTuple

from envkit.models.codes.reasons import RECORD_CONFLICT
from envkit.models.fact import Reason
from envkit.models.version import ComputeCapability, CudaVersion

__all__ = ["ArchList", "Build", "Claim", "Needs", "Record", "Tier", "Variant", "Verdict", "disagree"]

Variant = Literal["cpu", "cuda", "mps", "generic"]


@dataclass(frozen=True, slots=True)
class Record:
    """One package of a channel index (CEP 36), with where it is.

    Attributes:
        name: Package name.
        version: Version as the channel writes it.
        build: Build string.
        build_number: Build number; 0 where an old index lacks it.
        subdir: Platform folder of the channel.
        fn: File name.
        url: Where the file is; without credentials.
        channel: Base URL or name of the channel; without credentials.
        depends: Dependencies as MatchSpecs (CEP 29).
        constrains: Constraints as MatchSpecs.
        size: Size of the archive in bytes.
        sha256: Hex digest of the archive.
        timestamp: Build time in milliseconds since 1970.
        raw: The channel's record, verbatim.
    """

    name: str
    version: str
    build: str
    build_number: int = 0
    subdir: str = ""
    fn: str = ""
    url: str = ""
    channel: str = ""
    depends: tuple[str, ...] = ()
    constrains: tuple[str, ...] = ()
    size: int | None = None
    sha256: str | None = None
    timestamp: int | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False, hash=False)


class Claim(NamedTuple):
    """What one part of a record says of a build.

    Attributes:
        where: The part, such as ``build string``; empty for a dependency.
        text: Its content.
        says: The value that it means.
    """

    where: str
    text: str
    says: Any


def disagree(one: Claim, other: Claim) -> Reason:
    """Return the conflict of two claims."""
    return Reason(RECORD_CONFLICT, claims=(one, other))


@dataclass(frozen=True, slots=True)
class ArchList:
    """The GPU code inside a build.

    Attributes:
        sass: Architectures with machine code.
        ptx: Architectures with PTX, which a new enough driver compiles for GPUs of the same or a later architecture.
        source: Where the list is from, for people.
    """

    sass: frozenset[ComputeCapability]
    ptx: frozenset[ComputeCapability]
    source: str


@dataclass(frozen=True, slots=True)
class Needs:
    """What a record asks of the machine besides CUDA, read from its dependencies and constraints.

    Attributes:
        glibc: Least glibc, such as ``"2.28"``.
        osx: Least macOS.
        microarch_level: x86-64 level, 1 to 4.
        arm_variant: ``sbsa`` or ``tegra``: which kind of aarch64 CUDA it is for.
        platform: ``linux``, ``osx`` or ``win``, where a noarch package names one.
        python: Version specs on Python, all of which hold.
        cuda_arch: Version spec on ``__cuda_arch`` (CEP 46).
    """

    glibc: str | None = None
    osx: str | None = None
    microarch_level: int | None = None
    arm_variant: str | None = None
    platform: str | None = None
    python: tuple[str, ...] = ()
    cuda_arch: str | None = None


@dataclass(frozen=True, slots=True)
class Build:
    """A record and what it means.

    Attributes:
        record: The channel's record.
        framework: ``pytorch``, ``tensorflow``, ``jax``, ``mxnet``, another known family, or None.
        variant: What it computes on. ``generic`` says that the record does not tell (or that it does not matter).
        build_cuda: The CUDA toolkit that it was compiled with; where only bounds are known the lower one.
        cuda_major_only: True when just the major of `build_cuda` is known.
        min_cuda: Lower bound on ``__cuda`` that the record itself demands, if any.
        python: ``"3.11"``, or None for builds of any Python.
        arch: GPU code inside, or None when no table knows it.
        conflicts: Where dependencies and build string disagree.
        needs: What else the record asks of the machine.
        library_cuda: The newest toolkit whose libraries the record's dependencies let in, where they come as packages.
    """

    record: Record
    framework: str | None
    variant: Variant
    build_cuda: CudaVersion | None = None
    cuda_major_only: bool = False
    min_cuda: CudaVersion | None = None
    python: str | None = None
    arch: ArchList | None = None
    conflicts: tuple[Reason, ...] = ()
    needs: Needs = Needs()
    library_cuda: CudaVersion | None = None


class Tier(str, Enum):
    """How well a build runs on a target, best first.

    Attributes:
        rank: Position in the order, 0 is best.
        runs: Whether a build of this tier runs at all.
    """

    NATIVE = "native"
    MINOR = "minor"
    JIT = "jit"
    COMPAT = "compat"
    UNKNOWN = "unknown"
    CPU = "cpu"
    NO = "no"

    __hash__ = str.__hash__  # Enum's own hashes in Python, and a ranking asks for thousands
    rank: int
    runs: bool

    def __init__(self, value: str) -> None:
        self.rank = len(type(self).__members__)
        self.runs = value != "no"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Build x Target: a tier and its reasons, the decisive one first."""

    build: Build
    tier: Tier
    reasons: tuple[Reason, ...] = ()

"""A package build: the channel's record, and what it means for a GPU."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, Literal

from envkit.models.codes.reasons import RECORD_CONFLICT
from envkit.models.fact import Reason
from envkit.models.gpucode import Architecture, GpuPackage
from envkit.models.version import CudaVersion
from envkit.tuples import NamedTuple
from envkit.values import dataclass, field

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
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


class Claim(NamedTuple):
    """A statement of one part of a record about its build."""

    where: str  # the part, such as ``build string``; empty for a dependency
    text: str  # its content
    says: Any  # the value that it means


def disagree(one: Claim, other: Claim) -> Reason:
    """Return the conflict of two claims."""
    return Reason(RECORD_CONFLICT, claims=(one, other))


CodeOrigin = Literal["measured", "table", "inferred"]
"""Origin of an arch list: read from the libraries, written in a table with its source, or taken from a relative."""


class Relative(NamedTuple):
    """The builds that an arch list was inferred from: ``pytorch >=2.10.0,<2.14`` for CUDA 13.0 of conda-forge."""

    name: str
    versions: str  # one version, or a range as a version spec
    cuda: CudaVersion
    channel: str  # ``PyPI`` for a wheel
    origin: CodeOrigin = "table"


@dataclass(frozen=True, slots=True, eq=False)
class ArchList:
    """The GPU code inside a build.

    A new enough driver compiles PTX for GPUs of the same or a later architecture. Builds that are alike share one, and
    comparisons are by identity.

    Attributes:
        sass: Architectures with machine code.
        ptx: Architectures with PTX.
        source: Where the list is from, for people.
        origin: How it is known.
        relative: For an inferred one, what it was inferred from.
        code: For a measured one, the package that was read.
    """

    sass: frozenset[Architecture]
    ptx: frozenset[Architecture]
    source: str
    origin: CodeOrigin = "table"
    relative: Relative | None = None
    code: GpuPackage | None = None


@dataclass(frozen=True, slots=True)
class Needs:
    """Demands of a record on the machine besides CUDA, read from its dependencies and constraints."""

    glibc: str | None = None  # least glibc, such as ``"2.28"``
    osx: str | None = None  # least macOS
    microarch_level: int | None = None  # x86-64 level, 1 to 4
    arm_variant: str | None = None  # ``sbsa`` or ``tegra``: which kind of aarch64 CUDA it is for
    platform: str | None = None  # ``linux``, ``osx`` or ``win``, where a noarch package names one
    python: tuple[str, ...] = ()  # version specs on Python, all of which hold
    cuda_arch: str | None = None  # version spec on ``__cuda_arch`` (CEP 46)


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
    """The ways in which a build runs on a target, best first.

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

    @property
    def decisive(self) -> Reason | None:
        """The first reason, if there is one."""
        return self.reasons[0] if self.reasons else None

    @property
    def code(self) -> str:
        """The code of the first reason; empty where there is none."""
        return self.reasons[0].code if self.reasons else ""


def digest(records: Iterable[Record]) -> str:
    """Return the hex sha256 over name, version, build, subdir and hash of each record, in any order."""
    lines = sorted(f"{r.subdir}/{r.fn} {r.sha256 or r.raw.get('md5')}" for r in records)
    import hashlib

    return hashlib.sha256("\n".join(lines).encode()).hexdigest()

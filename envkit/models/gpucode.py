"""GPU code as libraries hold it: which architectures, how often, and in which package."""

from __future__ import annotations

from collections.abc import Mapping

from envkit.models.version import ComputeCapability, CudaVersion
from envkit.patterns import regex
from envkit.tuples import NamedTuple
from envkit.values import dataclass, field

_ARCHITECTURE = regex(r"(\d{1,2}\.\d)([af]?)\Z")


class Architecture(NamedTuple):
    """An architecture that code was compiled for: ``9.0``, ``9.0a`` (that GPU alone) or ``10.0f`` (its family)."""

    capability: ComputeCapability
    suffix: str = ""  # empty, ``a`` or ``f``

    @classmethod
    def parse(cls, text: str) -> Architecture:
        """Read ``"9.0a"``; anything else is a ValueError."""
        match = _ARCHITECTURE.match(text.strip())
        if match is None:
            raise ValueError(f"not an architecture: {text!r} (write it as 9.0, 9.0a or 10.0f)")
        return cls(ComputeCapability.parse(match[1]), match[2])

    def __str__(self) -> str:
        return f"{self.capability}{self.suffix}"


class PtxCode(NamedTuple):
    """The PTX of one architecture in a library.

    Attributes:
        entries: Number of entries.
        isa: The newest PTX ISA version among them: 9.0 needs a driver of CUDA 13.0.
    """

    entries: int
    isa: CudaVersion


@dataclass(frozen=True, slots=True)
class GpuLibrary:
    """The GPU code of one file.

    Attributes:
        path: Where it lies: below its package or prefix, else as it was given.
        size: Its size in bytes.
        sass: Number of machine code entries by architecture.
        ptx: PTX by architecture.
        other: Number of entries of other kinds: ``lto``, ``relocatable``, ``relocatable-ptx``, ``tile-ir``, and
            ``rocm:gfx90a`` and its like for AMD GPUs.
    """

    path: str
    size: int
    sass: Mapping[Architecture, int] = field(default_factory=dict)
    ptx: Mapping[Architecture, PtxCode] = field(default_factory=dict)
    other: Mapping[str, int] = field(default_factory=dict)

    @property
    def has_code(self) -> bool:
        """Whether it holds GPU code of any kind."""
        return bool(self.sass or self.ptx or self.other)


@dataclass(frozen=True, slots=True)
class GpuPackage:
    """The GPU code of a conda package or a wheel, as it was measured.

    Attributes:
        name: Package name.
        version: Its version.
        build: Build string of a conda package; empty for a wheel.
        fn: File name.
        sha256: Hex digest of the file.
        measured: Day of the measurement, ``YYYY-MM-DD``.
        libraries: Its files with GPU code; none where it has no such file.
    """

    name: str
    version: str
    build: str
    fn: str
    sha256: str
    measured: str
    libraries: tuple[GpuLibrary, ...] = ()

"""What is known of the GPU code of builds, and what of it is only inferred."""

from __future__ import annotations

from envkit.models.build import CodeOrigin, Relative
from envkit.models.gpucode import Architecture
from envkit.values import dataclass


@dataclass(frozen=True, slots=True)
class CodeFact:
    """The GPU code of builds that are alike.

    Attributes:
        package: Name of the conda package or wheel.
        versions: One version, or a range as a version spec.
        cuda: CUDA toolkits, separated by commas; empty where it is not known.
        channel: Channel; ``PyPI`` for a wheel, empty for a file of this machine.
        subdirs: Platforms; none for a measured file, whose name has it.
        sass: Architectures with machine code.
        ptx: Architectures with PTX.
        origin: How it is known.
        source: The file that was read, or the recipe or documentation of the table.
        date: Day of the measurement, or of the table.
        here: Whether it was measured on this machine; else it came with envkit.
    """

    package: str
    versions: str
    cuda: str
    channel: str
    subdirs: tuple[str, ...]
    sass: frozenset[Architecture]
    ptx: frozenset[Architecture]
    origin: CodeOrigin
    source: str
    date: str
    here: bool = False


@dataclass(frozen=True, slots=True)
class CodeGap:
    """Builds of a channel whose GPU code is inferred or not known.

    Attributes:
        package: Package name.
        version: Version.
        cuda: CUDA toolkit; empty where only the major is known or none.
        channel: Channel.
        subdir: Platform.
        builds: Number of builds.
        relative: What their GPU code is inferred from; None where it is not known.
    """

    package: str
    version: str
    cuda: str
    channel: str
    subdir: str
    builds: int
    relative: Relative | None


@dataclass(frozen=True, slots=True)
class CodeKnowledge:
    """The answer of ``facts``.

    Attributes:
        name: The framework or package that was asked about; None for all.
        facts: What is known.
        channels: Channels whose indexes were read.
        gaps: What they hold beyond that; None where they could not be read.
        problem: Why not.
    """

    name: str | None
    facts: tuple[CodeFact, ...]
    channels: tuple[str, ...] = ()
    gaps: tuple[CodeGap, ...] | None = None
    problem: str | None = None

"""Inspection: the GPU code of whatever a user names, by package, and what it means for a target."""

from __future__ import annotations

from typing import Literal

from envkit.models.build import Tier
from envkit.models.fact import Reason
from envkit.models.gpucode import GpuLibrary, GpuPackage
from envkit.models.host import Target
from envkit.models.report import Report
from envkit.values import dataclass

Inspected = Literal["file", "archive", "prefix", "package"]
"""Kind of what was inspected: ``package`` is one of a channel, ``prefix`` any folder."""


@dataclass(frozen=True, slots=True)
class PackageVerdict:
    """The GPU code of a package x Target.

    Attributes:
        package: Name and version of the package; empty for files that no package brought.
        tier: How it runs: ``native``, ``jit`` or ``no``.
        reasons: Why, the decisive one first.
    """

    package: str
    tier: Tier
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Inspection:
    """The GPU code of what was named.

    Attributes:
        what: The user's words, without credentials.
        kind: What that was.
        place: The file or folder that was read; empty if an earlier measurement answered.
        packages: GPU code by package; one without name and version holds the files that no package brought.
        unreadable: Files that are damaged or closed, and why.
        target: The machine to judge for; None if none was named.
        verdicts: Judgements for it, the worst first; packages of which nothing can be said are left out.
        tiers: The same for each library by its path: the worst tier over the target's GPUs.
    """

    what: str
    kind: Inspected
    place: str
    packages: tuple[GpuPackage, ...]
    unreadable: tuple[tuple[str, str], ...] = ()
    target: Target | None = None
    verdicts: tuple[PackageVerdict, ...] = ()
    tiers: tuple[tuple[str, Tier], ...] = ()

    @property
    def libraries(self) -> tuple[GpuLibrary, ...]:
        """Every file with GPU code, by path."""
        found = (library for package in self.packages for library in package.libraries)
        return tuple(sorted(found, key=lambda library: library.path))

    @property
    def tier(self) -> Tier | None:
        """The worst tier; None where nothing can be said, or no target was named."""
        return self.verdicts[0].tier if self.verdicts else None


@dataclass(frozen=True, slots=True)
class Foreseen:
    """An environment, judged for a machine that is described.

    Attributes:
        report: What was found.
        inspection: The GPU code of its files.
        environment: Its name, if envkit made it.
    """

    report: Report
    inspection: Inspection
    environment: str | None = None

"""Results of doctor, clean and bootstrap."""

from __future__ import annotations

from envkit.models.fact import Advice, Fact
from envkit.models.report import Finding
from envkit.values import dataclass


@dataclass(frozen=True, slots=True)
class Subject:
    """The volume, an environment, a generation or a prefix, with the findings about it."""

    name: str
    path: str
    findings: tuple[Finding, ...]

    @property
    def healthy(self) -> bool:
        """Whether no check failed. Warnings do not make an environment unhealthy."""
        return all(finding.status != "fail" for finding in self.findings)


@dataclass(frozen=True, slots=True)
class Checkup:
    """Result of `doctor`.

    Attributes:
        subjects: The volume first, then the environments.
        full: Whether every file was hashed.
        mended: Repairs that ``--fix`` made.
        seconds: Duration.
    """

    subjects: tuple[Subject, ...]
    full: bool
    mended: tuple[Fact, ...] = ()
    seconds: float = 0.0

    @property
    def healthy(self) -> bool:
        """Whether no check failed anywhere."""
        return all(subject.healthy for subject in self.subjects)


@dataclass(frozen=True, slots=True)
class CleanItem:
    """One file or directory that `clean` removes.

    Attributes:
        kind: ``generation``, ``orphan``, ``unfinished``, ``package``, ``bytecode``, ``download``, ``trash``,
            ``validation``, ``index``, ``wheel`` (of uv's cache), ``gpucode`` (what was measured of a package),
            ``archive`` (what `inspect` downloaded), ``pack`` or ``stage`` (a copy on a node's disk).
        path: Its path.
        why: The reason.
    """

    kind: str
    path: str
    why: Advice


@dataclass(frozen=True, slots=True)
class CleanResult:
    """Result of `clean`.

    Attributes:
        volume: Root of the volume.
        items: Removed items, or those that would be removed.
        kept: Generations that stay although nothing points to them, and items that could not be removed, each with
            the reason.
        freed_bytes: Bytes that the items give back together, without files that others hard-link.
        freed_inodes: The same in inodes.
        dry_run: Whether nothing was removed.
        elsewhere_bytes: Part of `freed_bytes` that is in the user's cache and not on the volume.
    """

    volume: str
    items: tuple[CleanItem, ...]
    kept: tuple[tuple[str, Advice], ...]
    freed_bytes: int
    freed_inodes: int
    dry_run: bool
    elsewhere_bytes: int = 0


@dataclass(frozen=True, slots=True)
class BootstrapResult:
    """The copy of envkit on a volume.

    Attributes:
        volume: Root of the volume.
        launcher: What to start.
        python: The generation that holds its Python.
        version: Of envkit.
        size_bytes: What the copy takes, its Python not included: that shares its files with the cache.
    """

    volume: str
    launcher: str
    python: str
    version: str
    size_bytes: int

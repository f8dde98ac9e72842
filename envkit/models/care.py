"""What the verbs that care for a volume return: doctor, clean."""

from __future__ import annotations

from dataclasses import dataclass

from envkit.models.report import Finding

__all__ = ["BootstrapResult", "Checkup", "CleanItem", "CleanResult", "Subject"]


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing that was checked: the volume, an environment, a generation or a prefix."""

    name: str
    path: str
    findings: tuple[Finding, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong; a warning is no illness."""
        return all(finding.status != "fail" for finding in self.findings)


@dataclass(frozen=True, slots=True)
class Checkup:
    """What `doctor` found.

    Attributes:
        subjects: What was checked, the volume first.
        full: Whether every file was hashed.
        mended: What ``--fix`` did, in words.
        seconds: How long it took.
    """

    subjects: tuple[Subject, ...]
    full: bool
    mended: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong anywhere."""
        return all(subject.healthy for subject in self.subjects)


@dataclass(frozen=True, slots=True)
class CleanItem:
    """One thing that `clean` removes.

    Attributes:
        kind: ``generation``, ``orphan``, ``unfinished``, ``package``, ``bytecode``, ``download``, ``trash``,
            ``validation`` or ``index``.
        path: Where it is.
        why: Why it may go.
    """

    kind: str
    path: str
    why: str


@dataclass(frozen=True, slots=True)
class CleanResult:
    """What `clean` removed, or would remove.

    Attributes:
        volume: Root of the volume.
        items: What goes.
        kept: Generations that nothing points to and that stay, and why; and what else could not go.
        freed_bytes: What all of it together gives back; hard links to what stays are not counted.
        freed_inodes: The same in inodes.
        dry_run: Whether nothing was removed.
        elsewhere_bytes: How much of `freed_bytes` is not on the volume but in the user's cache.
    """

    volume: str
    items: tuple[CleanItem, ...]
    kept: tuple[tuple[str, str], ...]
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

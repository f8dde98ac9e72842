"""Results of the verbs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from envkit.values import dataclass, field

if TYPE_CHECKING:  # each verb has one kind of result
    from envkit.models.build import Build, Record, Tier, Verdict
    from envkit.models.fact import Advice, Answer, Reason
    from envkit.models.host import Host, Target
    from envkit.models.manifest import Manifest, PastValidation, PipPackage, ValidationRecord
    from envkit.models.pool import PoolMatrix, ProfileInfo
    from envkit.models.report import Report
    from envkit.models.request import Correction, Request


Source = Literal["channels", "cache", "table"]


@dataclass(frozen=True, slots=True)
class FindResult:
    """The builds that the channels have for a request, and how each runs on the target.

    Attributes:
        request: What was asked.
        target: For which machine.
        channels: Names of the channels that were asked.
        builds: What matches the request, best first.
        nearest: What almost does, best first.
        pick: The build that `create` would take; None when none runs.
        advice: What limits the choice, and what would run otherwise.
        error: Why there is no answer, when there is none: code, message, hint and exit code.
        hosts: The machines by name, where the choice is for several; `target` is then what they have in common.
        corrections: What in the request is known not to work, and what does.
        matrix: Versions by CUDA, whatever CUDA was asked for.
        explanation: Why this build, why no newer one, why CPU, what to change.
        source: Who answered: the channels, their indexes that were read before, or the built-in table.
        source_reason: Why it was not the channels.
        table_date: The day of that table.
        machines: The machines by builds, where the choice is for several; builds of the same name that serve them
            together, where no one build does.
    """

    request: Request
    target: Target
    channels: tuple[str, ...]
    builds: tuple[Verdict, ...]
    nearest: tuple[Verdict, ...] = ()
    pick: Verdict | None = None
    advice: tuple[Advice, ...] = ()
    error: Exception | None = None
    hosts: Mapping[str, Target] = field(default_factory=dict)
    corrections: tuple[Correction, ...] = ()
    matrix: Matrix = field(default_factory=lambda: Matrix((), ()))
    explanation: tuple[Answer, ...] = ()
    source: Source = "channels"
    source_reason: str = ""
    table_date: str | None = None
    machines: PoolMatrix | None = None


@dataclass(frozen=True, slots=True)
class CreateResult:
    """The environment that `create` made, or would make.

    Attributes:
        environment: Name.
        volume: Root of the volume.
        path: The environment's link, ``DIR/NAME``.
        prefix: The generation's directory; None for a dry run.
        reused: Whether the environment was there already.
        records: The packages, sorted by name.
        cached: How many of them are in the cache already.
        download_bytes: Size of the others' archives.
        pick: The framework build that decided the solution, if any.
        advice: What limits the choice, and what to know of the volume.
        report: The validation, if there was one.
        dry_run: Whether nothing was made.
        skipped_link_scripts: Scripts of packages that were not run.
        corrections: What in the request is known to mislead, and what does not.
        fixed: Corrections that were applied before.
        explanation: As in `FindResult`.
        pip: The distributions of the pip section, sorted by name.
        passed_over: Better packages that were measured and hold no code for a GPU, each record with the reasons.
        kernel: Name for people of the Jupyter kernel that the recipe asks for, once it is registered.
        ports: Where the recipe's services listen, by name.
        profiles: The profiles, where machines choose among several generations; the rest is about that of this
            machine, or the one that the link names.
        machines: The machines by builds, where the choice was for several.
    """

    environment: str
    volume: str
    path: str
    prefix: str | None
    reused: bool
    records: tuple[Record, ...]
    cached: int = 0
    download_bytes: int = 0
    pick: Verdict | None = None
    advice: tuple[Advice, ...] = ()
    report: Report | None = None
    host: Host | None = None
    dry_run: bool = False
    skipped_link_scripts: tuple[str, ...] = ()
    corrections: tuple[Correction, ...] = ()
    fixed: tuple[Correction, ...] = ()
    explanation: tuple[Answer, ...] = ()
    kernel: str | None = None
    ports: tuple[tuple[str, int], ...] = ()
    pip: tuple[PipPackage, ...] = ()
    passed_over: tuple[tuple[Record, tuple[Reason, ...]], ...] = ()
    profiles: tuple[ProfileInfo, ...] = ()
    machines: PoolMatrix | None = None


@dataclass(frozen=True, slots=True)
class ValidateResult:
    """The report on one environment, and the host that it was made on.

    Attributes:
        report: What was found.
        host: Where.
        environment: Its name, if envkit made it.
        manifest: What it is, if envkit made it.
        history: This and earlier validations on any host, newest first, each with the record of its kind of host.
    """

    report: Report
    host: Host
    environment: str | None = None
    manifest: Manifest | None = None
    history: tuple[tuple[PastValidation, ValidationRecord], ...] = ()


@dataclass(frozen=True, slots=True)
class Cell:
    """The builds of one version and CUDA."""

    best: Verdict  # the one that runs best
    builds: tuple[Build, ...]

    @property
    def number(self) -> int:
        """How many there are."""
        return len(self.builds)

    @property
    def tier(self) -> Tier:
        """The best tier."""
        return self.best.tier


@dataclass(frozen=True, slots=True)
class Matrix:
    """The grid.

    Attributes:
        columns: CUDA versions, the newest first, then ``CPU``, ``MPS`` and ``any`` where there are such builds.
        rows: Versions, the newest first, each with its cells by column.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, Mapping[str, Cell]], ...]

    def first(self, rows: int) -> Matrix:
        """Return the newest rows, with the columns that have a build there."""
        kept = self.rows[:rows]
        return Matrix(tuple(c for c in self.columns if any(c in cells for _, cells in kept)), kept)


@dataclass(frozen=True, slots=True)
class NamedPackage:
    """A package of the channels, by name.

    Attributes:
        name: Its name.
        version: The newest version.
        channel: The channel of that version.
    """

    name: str
    version: str
    channel: str


@dataclass(frozen=True, slots=True)
class NameListing:
    """The packages whose names match a pattern.

    Attributes:
        pattern: The pattern.
        channels: The channels that were asked.
        packages: The first of them by name.
        total: How many there are.
    """

    pattern: str
    channels: tuple[str, ...]
    packages: tuple[NamedPackage, ...]
    total: int

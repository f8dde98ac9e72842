"""The manifest: what a generation is, written once, inside it; and the other files of a volume."""

from __future__ import annotations

from typing import Any, Literal

from envkit.models.stored import Stored
from envkit.values import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedPackage(Stored):
    """One installed package: enough to fetch and link it again, bit for bit.

    Attributes:
        name: Its name.
        version: Its version.
        build: Its build string.
        subdir: Platform folder of the channel.
        fn: File name of its archive.
        url: Where the archive is; without credentials.
        channel: Base URL or name of the channel; without credentials.
        sha256: Hex digest of the archive.
        size: Size of the archive in bytes.
        record: The channel's record, verbatim (CEP 36).
    """

    name: str
    version: str
    build: str
    subdir: str
    fn: str
    url: str
    channel: str
    sha256: str | None = None
    size: int | None = None
    record: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PipPackage(Stored):
    """One distribution of the pip part: enough to install it again from the same bytes.

    Attributes:
        name: Its normalised name.
        version: Its version; None where only a build tells it.
        kind: ``wheel``, ``sdist``, ``vcs`` (a commit of a repository) or ``directory``.
        url: Where it is; without credentials.
        size: Size of the file in bytes.
        hashes: Digests of the file, by algorithm.
        commit: The commit, for ``vcs``.
        revision: The branch, tag or commit that was asked for.
        subdirectory: Folder of the project in the archive or repository.
        editable: Whether the directory is used in place.
        direct: Whether its URL was asked for, rather than found in an index.
    """

    name: str
    version: str | None = None
    kind: Literal["wheel", "sdist", "vcs", "directory"] = "wheel"
    url: str
    size: int | None = None
    hashes: dict[str, str] = field(default_factory=dict)
    commit: str | None = None
    revision: str | None = None
    subdirectory: str | None = None
    editable: bool = False
    direct: bool = False

    def __hash__(self) -> int:
        return hash((self.name, self.version, self.url, self.commit))


@dataclass(frozen=True, slots=True, kw_only=True)
class PipPart(Stored):
    """The outcome of the pip section of a request.

    Attributes:
        packages: The distributions that were installed, sorted by name.
        provided: Distributions of conda packages that they were resolved with: name to version.
        index: The index that was asked; None for PyPI.
        extra_indexes: Indexes and pages that were asked besides; without credentials.
        built: Names of the distributions that were built from source.
        uv_version: The uv that installed them.
    """

    packages: tuple[PipPackage, ...] = ()
    provided: dict[str, str] = field(default_factory=dict)
    index: str | None = None
    extra_indexes: tuple[str, ...] = ()
    built: tuple[str, ...] = ()
    uv_version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRequest(Stored):
    """The request of the user; the same request again is recognised by equality.

    Attributes:
        specs: The packages as MatchSpecs, in the user's order.
        channels: The channels that were given; None for those of the settings.
        cuda: ``--cuda``.
        python: ``--python``.
        platform: ``--platform``.
        prefer: ``--prefer``.
        exclude_newer: ``--exclude-newer``, in ISO 8601: a time in UTC, or an age (``P7D``).
        target: The machine, where flags described it.
        pip: The pip section, as lines of a requirements file; without credentials.
        pip_constraints: Its constraints, as lines of a constraints file.
        pip_builds: Projects that may be built from source, or ``all``.
        pip_prefer: Projects that are taken from pip where conda has them too.
        pip_local: Whether local paths may be installed.
        variables: The variables of an environment.yml, which activation sets.
        source_sha256: Digest of the file that the request was read from. Equal means the same request, different means
            nothing, so it has no part in equality.
        level: How thoroughly the environment is validated where nothing else is said: the level of its recipe.
    """

    specs: tuple[str, ...]
    channels: tuple[str, ...] | None = None
    cuda: str = "auto"
    python: str | None = None
    platform: str | None = None
    prefer: str = "version"
    exclude_newer: str | None = None
    target: dict[str, Any] = field(default_factory=dict)
    pip: tuple[str, ...] = ()
    pip_constraints: tuple[str, ...] = ()
    pip_builds: tuple[str, ...] = ()
    pip_prefer: tuple[str, ...] = ()
    pip_local: bool = False
    variables: dict[str, str] = field(default_factory=dict)
    source_sha256: str | None = field(default=None, compare=False)
    level: str = field(default="framework", compare=False)

    def __hash__(self) -> int:
        return hash((self.specs, self.channels, self.cuda, self.python))


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest(Stored):
    """The record of a generation: its packages and origin.

    Attributes:
        envkit_version: The envkit that made it.
        name: The environment that it was made for.
        generation: Name of its directory.
        prefix: Its directory when it was made; files in it hold this path.
        created: When, in ISO 8601, UTC.
        lineage: Id of all generations of one environment; a rename keeps it, a clone begins a new one.
        number: Counts the generations of the lineage, from 1.
        parent: The generation that was active before; None for the first.
        verb: The command that made it.
        request: What was asked for.
        channels: The channels that were used, in order.
        virtual_packages: What the solver was told of the target: name, version and build of each.
        digest: SHA-256 over the solution.
        packages: The packages, sorted by name.
        target: The machine that the choice was made for.
        fingerprint: Fingerprint of the host that it was made on.
        pip: The distributions that pip's section brought; None without one.
        choice: The framework build that decided the solution: ``fn``, ``tier`` and ``reasons``.
        skipped_link_scripts: Scripts of packages that were not run.
        passed_over: Better packages that were measured and hold no code for a GPU of the target: ``fn``, ``sha256`` and
            ``reasons``.
        own_files: Files that envkit added to those of the packages and watches over.
        profile: Name of the profile, where machines choose among several generations; None for one alone.
        side: Whether it is a profile besides the one that the link names; these have the same number.
    """

    schema_version: Literal[1] = 1
    envkit_version: str
    name: str
    generation: str
    prefix: str
    created: str
    lineage: str = ""
    number: int = 1
    parent: str | None = None
    verb: str = "create"
    request: RecordedRequest
    channels: tuple[str, ...]
    virtual_packages: tuple[tuple[str, str, str], ...] = ()
    digest: str
    packages: tuple[LockedPackage, ...]
    pip: PipPart | None = None
    target: dict[str, Any] = field(default_factory=dict)
    fingerprint: str = ""
    choice: dict[str, Any] = field(default_factory=dict)
    skipped_link_scripts: tuple[str, ...] = ()
    passed_over: tuple[dict[str, Any], ...] = ()
    own_files: tuple[str, ...] = ()
    profile: str | None = None
    side: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PastValidation(Stored):
    """A validation of a generation, and how it went.

    Attributes:
        verdict: How it went.
        created: When, in ISO 8601, UTC.
        seconds: How long it took.
    """

    verdict: Literal["pass", "fail", "skip"]
    created: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationRecord(PastValidation):
    """The outcome of the last validation of one generation on one kind of host, and of those before it.

    Attributes:
        generation: Name of the generation's directory.
        fingerprint: Fingerprint of the host.
        host: The host, as ``detect --json`` prints it.
        findings: What was checked, as ``validate --json`` prints it.
        needs_gpu: Whether the environment holds CUDA builds.
        history: Earlier validations on such hosts, the newest first.
        tokens: Results of a quick look at such hosts (`envkit.host.fingerprint.Quick`), the latest last: by them a host
            is recognised without asking its driver.
    """

    schema_version: Literal[1] = 1
    generation: str
    fingerprint: str
    host: dict[str, Any] = field(default_factory=dict)
    findings: tuple[dict[str, Any], ...] = ()
    needs_gpu: bool = False
    history: tuple[PastValidation, ...] = ()
    tokens: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeFile(Stored):
    """The description of a volume.

    Attributes:
        id: Its id; a copy of the volume has the same.
        mounted_at: Where it was when it was made.
        created: When, in ISO 8601, UTC.
        probed: When its file system was tried, in ISO 8601, UTC.
        capabilities: What its file system can do.
        file_system: Type, mount point and source of its file system.
        trust: Whose packages in the cache each user takes: the ``owner``'s, root's and his own, or the ``group``'s.
    """

    schema_version: Literal[1] = 1
    id: str
    mounted_at: str
    created: str
    probed: str = ""
    capabilities: dict[str, Any] = field(default_factory=dict)
    file_system: dict[str, Any] = field(default_factory=dict)
    trust: Literal["owner", "group"] = "owner"

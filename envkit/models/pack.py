"""Packs: environments in one file, and copies of environments on a node's own disk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from envkit.models.host import Host
from envkit.models.manifest import Manifest, ValidationRecord
from envkit.models.report import Report
from envkit.paths import MANIFEST
from envkit.values import dataclass

PackFormat = Literal["tar.zst", "squashfs"]
PACK_FORMATS: tuple[PackFormat, ...] = ("tar.zst", "squashfs")


@dataclass(frozen=True, slots=True)
class Embedded:
    """A prefix that the content of a file names.

    Attributes:
        mode: ``text``, where it may become longer, or ``binary``, where it is part of strings that end with NUL.
        text: The prefix as it stands in the file.
        room: The longest prefix, in bytes, that a binary file has room for.
    """

    mode: Literal["text", "binary"]
    text: str
    room: int


@dataclass(frozen=True, slots=True)
class PackedFile:
    """One file, link or empty folder of an environment.

    Attributes:
        path: Its path in the prefix.
        kind: ``file``, ``link`` or ``folder``.
        mode: Its permissions.
        mtime: When it was last modified, in whole seconds: bytecode names the time of its source.
        size: Size of a file in bytes.
        sha256: Hex digest of a file; empty where it is not known.
        target: The text of a link.
        embedded: The prefix in it; None where there is none.
    """

    path: str
    kind: Literal["file", "link", "folder"]
    mode: int = 0o755
    mtime: int = 0
    size: int = 0
    sha256: str = ""
    target: str = ""
    embedded: Embedded | None = None


@dataclass(frozen=True, slots=True)
class PackIndex:
    """The content of a pack, as it says itself at its beginning.

    Attributes:
        prefix: The prefix that its text files name.
        subdir: The platform that it is for.
        manifest: The manifest of the generation that was packed.
        files: Everything in it, sorted by path.
        extras: Paths of files for those who unpack it without envkit.
        validations: Outcomes of validations of the generation.
    """

    prefix: str
    subdir: str
    manifest: Manifest
    files: tuple[PackedFile, ...]
    extras: frozenset[str] = frozenset()
    validations: tuple[ValidationRecord, ...] = ()

    @property
    def content(self) -> Sequence[PackedFile]:
        """Everything that belongs to the environment but its manifest, which is written last and anew."""
        return [file for file in self.files if file.path not in self.extras and file.path != MANIFEST]

    @property
    def size_bytes(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)

    @property
    def content_bytes(self) -> int:
        """Bytes of the files that belong to the environment."""
        return sum(file.size for file in self.content)

    @property
    def inodes(self) -> int:
        """Number of files, links and folders of the environment."""
        folders: set[str] = set()
        for file in self.content:
            path = file.path.rpartition("/")[0]
            while path and path not in folders:
                folders.add(path)
                path = path.rpartition("/")[0]
        return len(self.content) + len(folders)


@dataclass(frozen=True, slots=True)
class PackResult:
    """Result of `pack`.

    Attributes:
        environment: The environment.
        generation: The generation that was packed.
        file: Path of the pack.
        format: ``tar.zst`` or ``squashfs``.
        sha256: Hex digest of the pack.
        size_bytes: Size of the pack.
        content_bytes: Size of the files in it.
        files: Number of files, links and empty folders in it.
    """

    environment: str
    generation: str
    file: str
    format: str
    sha256: str
    size_bytes: int
    content_bytes: int
    files: int


@dataclass(frozen=True, slots=True)
class UnpackResult:
    """Result of `unpack`.

    Attributes:
        environment: The environment.
        volume: Root of the volume.
        path: Path of the environment's link.
        prefix: The generation.
        reused: Whether it existed before.
        content_bytes: Size of the files in the pack.
        files: Number of files, links and empty folders in it.
        report: The validation; None without one.
        host: The host of the validation.
    """

    environment: str
    volume: str
    path: str
    prefix: str
    reused: bool
    content_bytes: int
    files: int
    report: Report | None
    host: Host


@dataclass(frozen=True, slots=True)
class StageResult:
    """Result of `stage`.

    Attributes:
        environment: The environment; None for a prefix that no environment of the volume points to.
        generation: The generation that was copied.
        prefix: The copy, at the path that its files name.
        reused: Whether the copy was there before.
        source: The pack that it came from, or the generation.
        size_bytes: Size of its files.
        files: Number of files, links and empty folders in it.
    """

    environment: str | None
    generation: str
    prefix: str
    reused: bool
    source: str
    size_bytes: int
    files: int

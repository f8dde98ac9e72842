"""Open a pack, by what its first bytes say."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from envkit.errors import IntegrityError, UsageError
from envkit.models.pack import PackedFile, PackIndex
from envkit.models.progress import Phase, Reporter
from envkit.packing.index import no_pack
from envkit.packing.squash import SQUASH_MAGIC, SquashReader
from envkit.packing.tarball import MAGIC, TarballReader
from envkit.packing.tree import TreeWriter
from envkit.words.values import size_words


class PackSource(Protocol):
    """Where the files of an environment come from: a pack, or a prefix on a disk."""

    index: PackIndex
    name: str

    def copy(self, writer: TreeWriter, files: Sequence[PackedFile], done: Callable[[PackedFile], None], /) -> None:
        """Write the files; call `done` after each."""
        ...

    def close(self) -> None:
        """Close what is open."""
        ...


def open_pack(path: Path) -> PackSource:
    """Open a pack and read its index.

    Raises:
        IntegrityError: It is none, or damaged.
        UsageError: There is no such file, or a program to read it is missing.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", hint="Give a file of `envkit pack`.") from error
    if magic == SQUASH_MAGIC:
        return SquashReader(path)
    if magic == MAGIC:
        return TarballReader(path)
    raise no_pack(path.name, "it is neither tar.zst nor squashfs")


def check_digest(path: Path, wanted: str, reporter: Reporter) -> None:
    """Compare the sha256 of a file.

    Raises:
        IntegrityError: It is another.
    """
    reporter.start("read", path.name, total=path.stat().st_size, unit="B")
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(1 << 20):
            digest.update(data)
            reporter.advance("read", len(data))
    if digest.hexdigest() != wanted.strip().lower():
        raise IntegrityError(
            f"{path.name} has the sha256 {digest.hexdigest()}, not {wanted}",
            hint="It is another file, or was cut off or changed on its way: copy it again.",
        )
    reporter.finish("read", f"{path.name}: sha256 as given")


def copy_tree(source: PackSource, writer: TreeWriter, *, reporter: Reporter, phase: Phase) -> None:
    """Write everything of a source, with progress."""
    files = source.index.content
    total = sum(file.size for file in files)
    reporter.start(phase, f"{len(files):,} files", total=total, unit="B")
    writer.make_folders(files)
    source.copy(writer, files, lambda file: reporter.advance(phase, file.size))
    reporter.finish(phase, f"{len(files):,} files, {size_words(total)}")

"""A flat index and its table: the records of one name, without reading the others."""

from __future__ import annotations

import contextlib
import hashlib
import os
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from envkit.index.cached import CachedIndex, read_notes
from envkit.index.entry import UnusualError, merged, plain_record, read_entries
from envkit.index.split import UnsplittableError, split_index
from envkit.index.table import DamagedError, NameTable, RecordRun, Stamp, make_table, read_table, table_bytes
from envkit.tuples import NamedTuple
from envkit.values import dataclass

_NEWER = b'.conda"'
_PIECE = 1 << 20
_UNSPLIT = "envkit: cannot be split"


class Lines(NamedTuple):
    """Records of one name as they stand in an index, by section."""

    packages: list[bytes]  # ``"FILE": {...}``, several of them joined by commas
    conda: list[bytes]


@dataclass(frozen=True, slots=True)
class FlatIndex:
    """An open index of one subdir."""

    subdir: str
    table: NameTable
    descriptor: int

    @property
    def info(self) -> Mapping[str, Any]:
        """The member ``info``."""
        return self.table.info

    @property
    def identity(self) -> str:
        """A text that is another one for any other content."""
        return self.table.identity

    def names(self) -> list[str]:
        """List the names of the records."""
        return self.table.listed()

    def depends(self, name: str) -> list[str]:
        """Return the names that the records of a name depend on.

        Raises:
            DamagedError: The index changed.
        """
        return self.table.depends(name)

    def content(self, name: str) -> str:
        """Return a text that changes with the records of a name; empty if there are none."""
        return " ".join(f"{run.length} {run.crc} {run.records}" for run in self.table.runs(name))

    def records(self, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the file and the members of each record of a name.

        Raises:
            UnusualError: The native engine has to look at one of them.
            DamagedError: The index changed.
        """
        sections: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
        for run in self.table.runs(name):
            found = read_entries(self._read(run))
            if len(found) != run.records:
                raise UnusualError(name)
            sections[next(iter(found)).endswith(".conda")].update(found)
        for file, entry in merged(*sections):
            if file.rsplit("-", 2)[0] != name:
                raise UnusualError(name)
            yield file, plain_record(entry, name, self.subdir)

    def lines(self, name: str) -> Lines:
        """Return the records of a name, undecoded.

        Raises:
            DamagedError: The index changed.
        """
        found = Lines([], [])
        for run in self.table.runs(name):
            content = self._read(run)
            found[_NEWER in content[: content.find(b":")]].append(content)
        return found

    def _read(self, run: RecordRun) -> bytes:
        content = os.pread(self.descriptor, run.length, run.start)
        if len(content) != run.length or zlib.crc32(content) != run.crc:
            raise DamagedError
        return content

    def __del__(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self.descriptor)


def open_flat(index: CachedIndex, subdir: str) -> FlatIndex | None:
    """Open an index that was split; None if it is not there, was not split, or changed since."""
    table = read_table(index.table)
    if table is None:
        return None
    try:
        descriptor = os.open(index.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    if Stamp.of(os.fstat(descriptor)) != table.stamp:
        os.close(descriptor)
        return None
    return FlatIndex(subdir, table, descriptor)


def split_flat(index: CachedIndex) -> None:
    """Make the table of an index, if there is an index and no table of it.

    It is written aside and renamed: readers see the old one or the new one, and so do those who make it at once.

    Raises:
        OSError: The table cannot be written.
    """
    try:
        descriptor = os.open(index.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        known = read_table(index.table)
        if known is not None and known.stamp == Stamp.of(os.fstat(descriptor)):
            return
        if not _is_whole(index, descriptor):
            return
        try:
            table = split_index(descriptor)
        except UnsplittableError:  # told to the next one, who would try it again
            table = make_table(Stamp.of(os.fstat(descriptor)), {_UNSPLIT: True}, {}, {})
        write_aside(index.table, table_bytes(table))
    finally:
        os.close(descriptor)


def _is_whole(index: CachedIndex, descriptor: int) -> bool:
    """Return whether an index is what was fetched; one of a folder is what it is."""
    if index.is_local:
        return True
    notes = read_notes(index)
    if notes is None or notes.stamp is None or notes.stamp.size != os.fstat(descriptor).st_size:
        return False
    digest, position = hashlib.blake2b(digest_size=32), 0
    while piece := os.pread(descriptor, _PIECE, position):
        digest.update(piece)
        position += len(piece)
    return notes.digest == digest.hexdigest()


def is_simple(info: Mapping[str, Any]) -> bool:
    """Return whether an index was split and stands for itself: it names no channels to be read with it (CEP 42)."""
    return not any(info.get(member) for member in ("channel_relations", "repodata_revisions", _UNSPLIT))


def write_aside(path: Path, content: bytes) -> None:
    """Write a file aside and rename it.

    Raises:
        OSError: It cannot be written.
    """
    temporary = path.with_name(f"{path.name}.{os.urandom(4).hex()}")
    try:
        with open(temporary, "xb", opener=_private) as file:
            file.write(content)
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)

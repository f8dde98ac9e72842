"""The table of an index: for each name, where its records lie in the file and which names they depend on.

It stands beside the index that it is about, and is of no use for any other: the index's size and times are in it. A
file is a line of JSON, arrays of numbers and the names, sorted; a checksum covers all of it.
"""

from __future__ import annotations

import json
import os
import sys
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from envkit.tuples import NamedTuple
from envkit.values import dataclass, field

_FORMAT = 2
_LONGEST_HEADER = 1 << 20


class DamagedError(Exception):
    """An index on this machine is not what it was when its table was made."""


class RecordRun(NamedTuple):
    """Records of one name that follow each other in an index.

    Attributes:
        start: Offset of the first of them, at its key.
        length: Bytes up to the end of the last.
        crc: CRC-32 of these bytes.
        records: How many they are.
    """

    start: int
    length: int
    crc: int
    records: int


@dataclass(frozen=True, slots=True)
class Stamp:
    """The file that a table is about, as it was."""

    size: int  # bytes
    mtime_ns: int  # archives and mirrors give it to other content, too
    ctime_ns: int = 0  # nobody sets it; 0 where it is not known

    @staticmethod
    def of(state: os.stat_result) -> Stamp:
        """Return the stamp of a file with this state."""
        return Stamp(state.st_size, state.st_mtime_ns, state.st_ctime_ns)


@dataclass(frozen=True)
class NameTable:
    """The names of an index, sorted, with their runs and the names that they depend on."""

    stamp: Stamp
    info: Mapping[str, Any]
    names: bytes = field(repr=False)  # joined by line feeds; those that others depend on are among them
    ends: Sequence[int] = field(repr=False)  # of each name
    first_run: Sequence[int] = field(repr=False)  # of each name, and the number of all
    first_edge: Sequence[int] = field(repr=False)
    starts: Sequence[int] = field(repr=False)
    sizes: Sequence[int] = field(repr=False)  # of each run: length, checksum, count
    edges: Sequence[int] | None = field(default=None, repr=False)  # places of the names that a name depends on
    path: Path | None = None  # the file with the edges, which few need
    checksum: int = 0  # of the table, and so of all records
    edges_checksum: int = 0

    @property
    def identity(self) -> str:
        """A text that is another one for any other content."""
        return f"{self.stamp.size} {self.stamp.mtime_ns} {self.stamp.ctime_ns} {self.checksum} {self.edges_checksum}"

    def runs(self, name: str) -> Iterator[RecordRun]:
        """Yield the runs of a name, in the order of the index."""
        place = self._place(name.encode())
        if place is not None:
            for at in range(self.first_run[place], self.first_run[place + 1]):
                yield RecordRun(self.starts[at], *self.sizes[3 * at : 3 * at + 3])

    def depends(self, name: str) -> list[str]:
        """Return the names that the records of a name depend on.

        Raises:
            DamagedError: The table's file is another one by now.
        """
        place = self._places.get(name)
        if place is None:
            return []
        every, edges = self._every, self._edges
        return [every[at] for at in edges[self.first_edge[place] : self.first_edge[place + 1]]]

    def has(self, name: str) -> bool:
        """Return whether there are records of a name."""
        place = self._place(name.encode())
        return place is not None and self.first_run[place] < self.first_run[place + 1]

    def listed(self) -> list[str]:
        """List the names of the records."""
        first = self.first_run
        return [name for at, name in enumerate(self._every) if first[at] < first[at + 1]]

    @cached_property
    def _every(self) -> list[str]:
        return self.names.decode().split("\n") if self.ends else []

    @cached_property
    def _edges(self) -> Sequence[int]:
        if self.edges is not None:
            return self.edges
        size = 4 * self.first_edge[-1]
        try:
            with (self.path or Path()).open("rb") as file:
                file.seek(-size, os.SEEK_END)
                found = file.read(size)
        except OSError as error:
            raise DamagedError from error
        if len(found) != size or zlib.crc32(found) != self.edges_checksum:
            raise DamagedError
        return memoryview(found).cast("I")

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: at for at, name in enumerate(self._every)}

    def _place(self, name: bytes) -> int | None:
        low, high = 0, len(self.ends)
        while low < high:
            middle = (low + high) // 2
            start = self.ends[middle - 1] + 1 if middle else 0
            found = self.names[start : self.ends[middle]]
            if found == name:
                return middle
            low, high = (middle + 1, high) if found < name else (low, middle)
        return None


def make_table(
    stamp: Stamp, info: Mapping[str, Any], runs: Mapping[str, Sequence[RecordRun]], depends: Mapping[str, set[str]]
) -> NameTable:
    """Make the table of an index from the runs and the dependencies of each name."""
    every = list(set(runs).union(*depends.values()))
    encoded = [name.encode() for name in every]
    encoded.sort()
    every = [name.decode() for name in encoded]
    places = {name: at for at, name in enumerate(every)}
    ends, first_run, first_edge, edges, sizes = array("I"), array("I"), array("I"), array("I"), array("I")
    starts = array("Q")
    at = -1
    for name, text in zip(every, encoded, strict=True):
        at += 1 + len(text)
        ends.append(at)
        first_run.append(len(starts))
        first_edge.append(len(edges))
        for run in runs.get(name, ()):
            starts.append(run.start)
            sizes.extend(run[1:])
        edges.extend(sorted(map(places.__getitem__, depends.get(name, ()))))
    first_run.append(len(starts))
    first_edge.append(len(edges))
    return NameTable(stamp, info, b"\n".join(encoded), ends, first_run, first_edge, starts, sizes, edges)


def table_bytes(table: NameTable) -> bytes:
    """Return the content of a table's file."""
    arrays: tuple[Any, ...] = (table.starts, table.ends, table.first_run, table.first_edge, table.sizes)
    body = b"".join([*(memoryview(numbers) for numbers in arrays), table.names])
    edges = bytes(memoryview(table.edges or array("I")))  # type: ignore[arg-type]
    head = {
        "format": _FORMAT,
        "byteorder": sys.byteorder,
        "size": table.stamp.size,
        "mtime_ns": table.stamp.mtime_ns,
        "ctime_ns": table.stamp.ctime_ns,
        "names": len(table.ends),
        "runs": len(table.starts),
        "body": len(body),
        "crc": zlib.crc32(body),
        "edges_crc": zlib.crc32(edges),
        "info": table.info,
    }
    line = json.dumps(head).encode() + b"\n"
    return b"%08x" % zlib.crc32(line) + line + body + edges


def read_table(path: Path) -> NameTable | None:
    """Read a table; None if there is none, or it is of another format or damaged."""
    try:
        with path.open("rb") as file:
            line = file.readline(_LONGEST_HEADER)
            if int(line[:8], 16) != zlib.crc32(line[8:]):
                return None
            head = json.loads(line[8:])
            body = file.read(head["body"])
            size = os.fstat(file.fileno()).st_size
        if (head["format"], head["byteorder"], head["crc"]) != (_FORMAT, sys.byteorder, zlib.crc32(body)):
            return None
        names, runs = head["names"], head["runs"]
        cut = _Cutter(memoryview(body))
        starts, ends = cut.numbers("Q", runs), cut.numbers("I", names)
        first_run, first_edge = cut.numbers("I", names + 1), cut.numbers("I", names + 1)
        sizes = cut.numbers("I", 3 * runs)
        if size != len(line) + len(body) + 4 * first_edge[-1]:
            return None
        stamp = Stamp(head["size"], head["mtime_ns"], head["ctime_ns"])
        return NameTable(
            stamp, head["info"], bytes(cut.rest), ends, first_run, first_edge, starts, sizes,
            path=path, checksum=head["crc"], edges_checksum=head["edges_crc"],
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError):
        return None


@dataclass(slots=True)
class _Cutter:
    rest: memoryview

    def numbers(self, kind: Literal["I", "Q"], count: int) -> memoryview[int]:
        size = count * (8 if kind == "Q" else 4)
        if size > len(self.rest):
            raise ValueError("cut short")
        found, self.rest = self.rest[:size], self.rest[size:]
        return found.cast(kind)

"""Split a flat index: find the records of each name in a ``repodata.json`` of any size, in little memory.

The file is read a piece at a time. A piece is cut where a record seems to end, and decoded: it is valid JSON only if it
was cut there, so what is found is what a parser of the whole file finds.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from envkit.index.table import NameTable, RecordRun, Stamp, make_table
from envkit.patterns import regex
from envkit.values import dataclass, field

if TYPE_CHECKING:
    import msgspec

_PIECE = 2 << 20
_LARGEST_PIECE = 64 << 20
_SECTIONS = ("packages", "packages.conda")
_BORDER = regex(rb'\}(\s*,\s*)"[^"\\]*\.(?:conda|tar\.bz2)"\s*:\s*\{')
_KEY = regex(rb'\s*"([^"\\]*)"\s*:\s*')
_SPACE = regex(rb"\s*")
_AFTER = regex(rb"\s*([,}])")
_NAME_END = regex(r"[\s><=!~;\[]")


class UnsplittableError(Exception):
    """An index is broken, or unlike all that are known; whoever can read it whole may try."""


def split_index(descriptor: int) -> NameTable:
    """Return the table of an open ``repodata.json``.

    Raises:
        UnsplittableError: It cannot be split.
        OSError: It cannot be read.
    """
    state = os.fstat(descriptor)
    splitter = _Splitter(descriptor, state.st_size)
    try:
        splitter.walk()
        splitter.refuse_removed()
    except (ValueError, RecursionError) as error:  # not JSON, or not UTF-8, or nested without end
        raise UnsplittableError(str(error)) from error
    if Stamp.of(os.fstat(descriptor)) != Stamp.of(state):
        raise UnsplittableError("it is being written")
    return make_table(Stamp.of(state), splitter.info, splitter.runs, splitter.edges)


class _Names(dict[str, str]):
    """The name in the first word of each dependency that was met."""

    def __missing__(self, word: str) -> str:
        self[word] = name_of_dependency(word)
        return self[word]


@dataclass(slots=True)
class _Splitter:
    descriptor: int
    size: int
    info: Mapping[str, Any] = field(default_factory=dict)
    runs: dict[str, list[RecordRun]] = field(default_factory=dict)
    edges: dict[str, set[str]] = field(default_factory=dict)
    named: _Names = field(default_factory=_Names)
    removed: set[str] = field(default_factory=set)  # files that are not in the channel, whatever is said of them
    decoder: msgspec.json.Decoder[Any] | None = None

    def walk(self) -> None:
        """Read the members of the document."""
        position = self._skip(0, rb"\s*\{\s*")
        if self._window(position, 1) == b"}":
            return
        while True:
            key = _KEY.match(self._window(position, 1 << 12))
            if key is None:
                raise UnsplittableError(f"no member at {position}")
            position += key.end()
            name = key[1].decode()
            if name in _SECTIONS and self._window(position, 1) == b"{":
                position = self._section(position + 1)
            else:
                value, position = self._value(position)
                self._other(name, value)
            after = _AFTER.match(self._window(position, 1 << 12))
            if after is None:
                raise UnsplittableError(f"no end of a member at {position}")
            position += after.end()
            if after[1] == b"}":
                return

    def _other(self, name: str, value: Any) -> None:
        if name == "info" and isinstance(value, dict):
            self.info = value
        elif name == "removed" and isinstance(value, list) and all(isinstance(file, str) for file in value):
            self.removed.update(value)
        elif name in (*_SECTIONS, "removed") or (name == "v3" and value):
            raise UnsplittableError(f"{name} of another kind")

    def refuse_removed(self) -> None:
        """Refuse an index that still has a record of a file that it lists as removed; most have none.

        Raises:
            UnsplittableError: It has one.
        """
        by_name: dict[str, set[str]] = {}
        for file in self.removed:
            by_name.setdefault(file.rsplit("-", 2)[0], set()).add(file)
        for name, files in by_name.items():
            for run in self.runs.get(name, ()):
                if not files.isdisjoint(json.loads(b"{" + self._window(run.start, run.length) + b"}")):
                    raise UnsplittableError(f"a removed file of {name}")

    def _section(self, position: int) -> int:
        """Read the records of a section; return where it ends."""
        position += _leading(self._window(position, 1 << 12))
        if self._window(position, 1) == b"}":
            return position + 1
        want = _PIECE
        while True:
            window = self._window(position, want)
            border = _last_border(window)
            if border is not None and self._take(window[: border.start() + 1], position):
                position += border.end(1)
                want = _PIECE
                continue
            found = _first_value(b"{" + window)
            if found is not None:
                length = found[1] - 1
                if not self._take(window[: length - 1], position):
                    raise UnsplittableError(f"no records at {position}")
                return position + length
            if want >= _LARGEST_PIECE or position + want >= self.size:
                raise UnsplittableError(f"no end of a record after {position}")
            want *= 4

    def _take(self, piece: bytes, position: int) -> bool:
        """Add the records of a piece; False if it holds something else than whole records."""
        import msgspec

        if self.decoder is None:
            entry = msgspec.defstruct("Entry", [("depends", list[str] | None, None)], gc=False)
            self.decoder = msgspec.json.Decoder(dict[str, entry])  # type: ignore[valid-type]
        try:
            entries = self.decoder.decode(b"{" + piece + b"}")
        except (msgspec.DecodeError, ValueError):
            return False
        name, start, count, met = "", 0, 0, set[str]()
        for file, entry in entries.items():
            parts = file.rsplit("-", 2)
            if len(parts) < 3:
                raise UnsplittableError(f"{file[:80]!r} is not the name of a package")
            if parts[0] != name:
                at = piece.find(b'"%s"' % file.encode(), start)
                if at < 0:
                    raise UnsplittableError(f"{file[:80]!r} is written with escapes")
                self._close(name, piece[start:at].rpartition(b"}")[0] + b"}", position + start, count)
                self._depend(name, met)
                name, start, count, met = parts[0], at, 0, set()
            count += 1
            met.update(entry.depends or ())
        self._close(name, piece[start:], position + start, count)
        self._depend(name, met)
        return True

    def _close(self, name: str, content: bytes, start: int, count: int) -> None:
        if count:
            self.runs.setdefault(name, []).append(RecordRun(start, len(content), zlib.crc32(content), count))

    def _depend(self, name: str, met: set[str]) -> None:
        if not name:
            return
        mine = self.edges.setdefault(name, set())
        heads = {text.partition(" ")[0] or text for text in met}  # of millions of texts, thousands
        mine.update(map(self.named.__getitem__, heads))

    def _value(self, position: int) -> tuple[Any, int]:
        """Read a value; return it and where it ends."""
        want = 1 << 16
        while True:
            window = self._window(position, want)
            found = _first_value(window)
            if found is not None and (found[1] < len(window) or position + want >= self.size):
                return found[0], position + found[1]
            if want >= _LARGEST_PIECE or position + want >= self.size:
                raise UnsplittableError(f"no end of the value at {position}")
            want *= 8

    def _skip(self, position: int, pattern: bytes) -> int:
        match = re.match(pattern, self._window(position, 1 << 12))
        if match is None:
            raise UnsplittableError(f"no object at {position}")
        return position + match.end()

    def _window(self, position: int, size: int) -> bytes:
        return os.pread(self.descriptor, size, position)


def name_of_dependency(text: str) -> str:
    """Return the name in a dependency, in lower case, as solvers look it up."""
    text = text.lstrip()
    end = _NAME_END.search(text)
    return (text[: end.start()] if end else text).rpartition("::")[2].lower()


def _leading(window: bytes) -> int:
    match = _SPACE.match(window)
    return match.end() if match else 0


def _last_border(window: bytes) -> re.Match[bytes] | None:
    """Find the last place where a record ends and another one seems to begin."""
    at = len(window)
    while (at := window.rfind(b"}", 0, at)) > 0:
        if (found := _BORDER.match(window, at)) is not None:
            return found
    return None


def _first_value(window: bytes) -> tuple[Any, int] | None:
    """Read the JSON value at the beginning; None if it goes on after the end."""
    text = window.decode("utf-8", "surrogateescape")
    try:
        value, end = json.JSONDecoder().raw_decode(text)
    except ValueError:
        return None
    return value, len(text[:end].encode("utf-8", "surrogateescape"))

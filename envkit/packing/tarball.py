"""Packs as tar.zst: the index first, then each file in its order; the same environment is the same bytes.

Reading trusts nothing but the index: the next member has to be the next file of it, and content is read to the size
that it says. No library extracts anything.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, BinaryIO, Protocol

from envkit.models.pack import PackedFile, PackIndex
from envkit.packing.index import INDEX, LARGEST_INDEX_BYTES, no_pack, parse_index, render_index
from envkit.packing.tree import Content, TreeWriter

MAGIC = b"\x28\xb5\x2f\xfd"
"""The first bytes of a zstd frame (RFC 8878)."""

_BLOCK = tarfile.BLOCKSIZE
_LONGEST_NAME = 8 * _BLOCK
# A frame may ask its reader for as much memory (2 GB at most by the format); level 19 of zstd asks for 8 MiB.
_MOST_WINDOW_BYTES = 1 << 27


class Opener(Protocol):
    """Opens the content of a file of the index."""

    def __call__(self, file: PackedFile) -> IO[bytes]:
        """Return its content, to read and to close."""
        ...


def write_tarball(out: BinaryIO, index: PackIndex, opener: Opener, *, level: int, threads: int) -> Iterator[int]:
    """Write a pack; yield the bytes of each file once it is written.

    Args:
        out: Where to.
        opener: Opens the content of each file, whose size is that of the index.
        level: Of zstd, 1 to 19.
        threads: How many compress. They do not change the bytes.
    """
    import zstandard

    # With one or more worker threads zstd cuts its input alike; with none, otherwise.
    compressor = zstandard.ZstdCompressor(level=level, threads=max(1, threads), write_checksum=True)
    with compressor.stream_writer(out, closefd=False) as stream:
        data = render_index(index)
        stream.write(_header(PackedFile(INDEX, "file", 0o644, 0, len(data))))
        stream.write(data + _padding(len(data)))
        for file in index.files:
            stream.write(_header(file))
            if file.kind == "file":
                with opener(file) as content:
                    left = file.size
                    while left and (data := content.read(min(left, 1 << 20))):
                        stream.write(data)
                        left -= len(data)
                    if left or content.read(1):
                        raise ValueError(file.path)
                stream.write(_padding(file.size))
            yield file.size
        stream.write(b"\0" * (2 * _BLOCK))


def _header(file: PackedFile) -> bytes:
    info = tarfile.TarInfo(file.path)
    info.mode, info.mtime, info.size = file.mode, file.mtime, file.size
    if file.kind == "link":
        info.type, info.linkname = tarfile.SYMTYPE, file.target
    elif file.kind == "folder":
        info.type = tarfile.DIRTYPE
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def _padding(size: int) -> bytes:
    return b"\0" * (-size % _BLOCK)


class TarballReader:
    """A pack that is read from its beginning to its end, once."""

    def __init__(self, path: Path) -> None:
        import zstandard

        self.name = path.name
        self._file = path.open("rb")
        self._error: type[Exception] = zstandard.ZstdError
        decompressor = zstandard.ZstdDecompressor(max_window_size=_MOST_WINDOW_BYTES)
        self._stream = decompressor.stream_reader(self._file)
        try:
            self.index = self._read_index()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def copy(self, writer: TreeWriter, files: Sequence[PackedFile], done: Callable[[PackedFile], None]) -> None:
        """Write the files of the pack that are among `files`; call `done` after each."""
        wanted = {file.path for file in files}
        for file, content in self.contents():
            if file.path in wanted:
                writer.put(file, content)
                done(file)

    def contents(self) -> Iterator[tuple[PackedFile, Content]]:
        """Yield each file with its content, links and folders too; what is left of a content is skipped.

        Raises:
            IntegrityError: The pack is cut off, damaged, or holds something that its index does not list.
        """
        for file in self.index.files:
            info = self._next()
            kind = {tarfile.REGTYPE: "file", tarfile.AREGTYPE: "file", tarfile.SYMTYPE: "link"}.get(info.type, "folder")
            name = info.name.rstrip("/")
            if (name, kind, info.size, info.linkname) != (file.path, file.kind, file.size, file.target):
                raise no_pack(self.name, f"{name[:200]!r} is not what its index lists there")
            content = _Member(self, file.size)
            yield file, content
            content.skip()
            self.take(-file.size % _BLOCK)
        rest = self.take(tarfile.RECORDSIZE + 1, least=2 * _BLOCK)  # GNU tar fills its last record
        if rest.strip(b"\0") or len(rest) > tarfile.RECORDSIZE:
            raise no_pack(self.name, "there is more in it than its index lists")

    def take(self, size: int, *, least: int | None = None) -> bytes:
        """Read exactly `size` bytes, or at least `least`."""
        parts = []
        left = size
        try:
            while left and (data := self._stream.read(left)):
                parts.append(data)
                left -= len(data)
        except self._error as error:
            raise no_pack(self.name, f"it is damaged ({error})") from error
        found = b"".join(parts)
        if len(found) < (size if least is None else least):
            raise no_pack(self.name, "it ends early")
        return found

    def _next(self) -> tarfile.TarInfo:
        """Read the next header, with the names that GNU tar writes before it when they are long."""
        long: dict[bytes, str] = {}
        while True:
            block = self.take(_BLOCK)
            try:
                info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
            except tarfile.HeaderError as error:
                raise no_pack(self.name, f"a header in it is none ({error})") from error
            if info.type not in {tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK}:
                info.name = long.get(tarfile.GNUTYPE_LONGNAME, info.name)
                info.linkname = long.get(tarfile.GNUTYPE_LONGLINK, info.linkname)
                if info.type not in {tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE}:
                    raise no_pack(self.name, f"{info.name[:200]!r} is neither a file, a link nor a folder")
                return info
            if info.size > _LONGEST_NAME or info.type in long:
                raise no_pack(self.name, "a name in it is too long")
            text = self.take(info.size + -info.size % _BLOCK)[: info.size].rstrip(b"\0")
            long[info.type] = os.fsdecode(text)

    def _read_index(self) -> PackIndex:
        info = self._next()
        if info.name != INDEX or info.type not in {tarfile.REGTYPE, tarfile.AREGTYPE}:
            raise no_pack(self.name, "it does not begin with an index")
        if info.size > LARGEST_INDEX_BYTES:
            raise no_pack(self.name, "its index is too large")
        data = self.take(info.size)
        self.take(-info.size % _BLOCK)
        return parse_index(data, self.name)


class _Member:
    """The content of one member, as a file that is read once."""

    def __init__(self, reader: TarballReader, size: int) -> None:
        self._reader = reader
        self._left = size

    def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes; all that is left by default."""
        wanted = self._left if size < 0 else min(size, self._left)
        data = self._reader.take(wanted) if wanted else b""
        self._left -= len(data)
        return data

    def skip(self) -> None:
        """Read what is left of it."""
        while self._left:
            self.read(1 << 20)

"""The GPU code in an archive: a wheel, a conda package in either format, any zip or tar.

Only members that may be libraries are unpacked, one at a time, into a temporary file without a name.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import os
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TypeAlias, cast

from envkit.errors import IntegrityError, NoSpaceError
from envkit.gpucode.read import begins_like_code
from envkit.gpucode.source import MalformedCodeError
from envkit.models.gpucode import GpuLibrary
from envkit.scan.file import read_descriptor
from envkit.scan.tree import Scan, Unreadable, may_hold_code

_LEAST_BYTES = 64
_HEAD_BYTES = 64
_COPY_BYTES = 1 << 20
_MOST_UNPACKED = 100  # times the size of the archive; packages have 2 to 10
_SPARE_BYTES = 1 << 26
_HEADER_BYTES = 1 << 24  # of one tar member: its longest name and extended headers
_ZIP_MAGIC, _BZ2_MAGIC, _GZIP_MAGIC = b"PK\x03\x04", b"BZh", b"\x1f\x8b"


_Members: TypeAlias = Iterator[tuple[str, GpuLibrary | Unreadable | None]]


class _DamagedError(Exception):
    """The archive contradicts itself."""


def is_archive(path: Path) -> bool:
    """Return whether a file is an archive that `scan_archive` reads.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as stream:
        head = stream.read(4)
    return head == _ZIP_MAGIC or head.startswith(_BZ2_MAGIC) or path.name.endswith((".tar", ".tar.gz", ".tgz"))


def scan_archive(path: Path, *, advance: Callable[[int], object] = lambda _: None) -> Scan:
    """Return the GPU code of the libraries in an archive.

    Args:
        path: The archive.
        advance: Called with the number of bytes of the archive that were read since the last call.

    Raises:
        IntegrityError: The archive is damaged, or unpacks to many times its size.
        NoSpaceError: The folder for temporary files cannot take the largest library of it.
        OSError: It cannot be read.
    """
    from zstandard import ZstdError

    # What the libraries raise for files that are damaged; `OSError` has no number from bz2 and gzip,
    # and EINVAL from zipfile, which goes wherever the archive says.
    damaged = (_DamagedError, zipfile.BadZipFile, tarfile.TarError, zlib.error, ZstdError, EOFError, RuntimeError)
    try:
        with path.open("rb") as stream:
            budget = _Budget(os.fstat(stream.fileno()).st_size * _MOST_UNPACKED + _SPARE_BYTES)
            head = stream.read(4)
            stream.seek(0)
            return _scan(_zip(stream, budget, advance) if head == _ZIP_MAGIC else _tar(stream, head, budget, advance))
    except (*damaged, OSError, ValueError, LookupError, struct.error) as error:
        if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise NoSpaceError(
                f"{tempfile.gettempdir()} has no room for the largest library of {path}, which is unpacked there",
                hint="Set TMPDIR to a folder with more space.",
            ) from error
        if isinstance(error, OSError) and error.errno not in {None, errno.EINVAL}:
            raise
        raise IntegrityError(
            f"{path} cannot be read as an archive: {str(error) or 'it is cut off'}",
            hint="It is damaged, incomplete, or no package: download it again, or give a wheel, .conda or .tar.bz2.",
        ) from error


class _Budget:
    """The bytes that an archive may still unpack to."""

    def __init__(self, size: int) -> None:
        self._left = size

    def take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise _DamagedError(f"it unpacks to more than {_MOST_UNPACKED} times its size")


def _scan(members: _Members) -> Scan:
    found = [one for _, one in members]
    libraries = [one for one in found if isinstance(one, GpuLibrary) and one.has_code]
    unreadable = [one for one in found if isinstance(one, Unreadable)]
    return Scan(tuple(sorted(libraries, key=lambda library: library.path)), tuple(sorted(unreadable)))


def _zip(stream: IO[bytes], budget: _Budget, advance: Callable[[int], object]) -> _Members:
    with zipfile.ZipFile(stream) as archive:
        for member in archive.infolist():
            if member.filename.startswith("pkg-") and member.filename.endswith(".tar.zst"):
                with archive.open(member) as content:
                    yield from _untar(_decompressed(_counted(content, advance)), budget)
            elif (
                member.file_size >= _LEAST_BYTES
                and not member.filename.endswith("/")
                and may_hold_code(member.filename)
            ):
                with archive.open(member) as content:
                    yield member.filename, _member(content, member.filename, budget)
                advance(member.compress_size)


def _tar(stream: IO[bytes], head: bytes, budget: _Budget, advance: Callable[[int], object]) -> _Members:
    counted = _counted(stream, advance)
    if head.startswith(_BZ2_MAGIC):
        return _untar(bz2.BZ2File(counted), budget)
    if head.startswith(_GZIP_MAGIC):
        return _untar(cast("IO[bytes]", gzip.GzipFile(fileobj=counted)), budget)
    return _untar(counted, budget)


def _untar(content: IO[bytes], budget: _Budget) -> _Members:
    bounded = _Bounded(content)
    with tarfile.open(fileobj=cast("IO[bytes]", bounded), mode="r|", bufsize=_COPY_BYTES) as archive:
        while True:
            # The next header may be reached; what it claims for names and attributes is read into memory.
            bounded.limit = archive.offset + _HEADER_BYTES
            member = archive.next()
            if member is None:
                # tarfile takes an end in the middle of a member, or of a header, for the end of the archive.
                if bounded.position != archive.offset and bounded.position < archive.offset + tarfile.BLOCKSIZE:
                    raise _DamagedError("it is cut off")
                return
            budget.take(member.size)
            bounded.limit = member.offset_data + member.size + _HEADER_BYTES
            if member.isreg() and member.size >= _LEAST_BYTES and may_hold_code(member.name):
                data = archive.extractfile(member)
                if data is not None:
                    yield member.name, _member(data, member.name, budget)


def _member(content: IO[bytes], name: str, budget: _Budget) -> GpuLibrary | Unreadable | None:
    """Read one member: unpacked only if it begins like a file that may hold code."""
    head = content.read(_HEAD_BYTES)
    if not begins_like_code(head):
        return None
    with tempfile.TemporaryFile(buffering=0) as file:
        while head:
            budget.take(len(head))
            file.write(head)
            head = content.read(_COPY_BYTES)
        try:
            return read_descriptor(file.fileno(), name)
        except MalformedCodeError as error:
            return Unreadable(name, str(error))


def _decompressed(content: IO[bytes]) -> IO[bytes]:
    import zstandard

    return zstandard.ZstdDecompressor().stream_reader(content, read_across_frames=True)


def _counted(stream: IO[bytes], advance: Callable[[int], object]) -> IO[bytes]:
    return cast("IO[bytes]", _Counted(stream, advance))  # nobody calls more than its read()


class _Counted:
    """A stream that tells how far it was read."""

    def __init__(self, stream: IO[bytes], advance: Callable[[int], object]) -> None:
        self._stream = stream
        self._advance = advance

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(size)
        self._advance(len(data))
        return data


class _Bounded:
    """A stream that ends with an error where no byte is expected any more."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.position = 0
        self.limit = _HEADER_BYTES

    def read(self, size: int = -1, /) -> bytes:
        if self.position > self.limit:
            raise _DamagedError("a member's header is larger than any header is")
        data = self._stream.read(size)
        self.position += len(data)
        return data

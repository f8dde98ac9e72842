"""The bytes that are read: few and far between, so they are asked for one by one.

Reading at an offset beats a memory map here: it is faster for some thousand headers in hundreds of megabytes, lets
several threads wait for a disk at once, and answers a file that shrinks meanwhile with an error instead of SIGBUS.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

_FIRST_CHUNK_BYTES, _CHUNK_BYTES = 1 << 8, 1 << 20


class MalformedCodeError(ValueError):
    """A file contradicts itself, or ends too early."""


class FileBytes(Protocol):
    """A file of known size.

    Attributes:
        size: Its size in bytes.
    """

    size: int

    def read(self, offset: int, size: int) -> bytes:
        """Return `size` bytes at an offset.

        Raises:
            MalformedCodeError: The file ends before them.
        """


class MemoryBytes:
    """A file that is in memory."""

    def __init__(self, data: bytes) -> None:
        self.size = len(data)
        self._data = data

    def read(self, offset: int, size: int) -> bytes:
        """Return `size` bytes at an offset."""
        return whole(self._data[offset : offset + size], offset, size)


def whole(data: bytes, offset: int, size: int) -> bytes:
    """Return what was read, if that is all that was asked for."""
    if len(data) != size:
        raise MalformedCodeError(f"the file ends before byte {offset + size:,}")
    return data


def chunks(source: FileBytes, start: int, end: int, overlap: int) -> Iterator[tuple[int, bytes]]:
    """Yield the bytes between two offsets, a piece at a time, with the offset of each piece.

    Each piece begins with the last `overlap` bytes of the one before it.
    """
    size = _FIRST_CHUNK_BYTES
    while start < end:
        data = source.read(start, min(size, end - start))
        yield start, data
        if start + len(data) >= end:
            return
        start += len(data) - overlap
        size = min(_CHUNK_BYTES, size * 4)

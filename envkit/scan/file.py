"""The GPU code in one file of the disk."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from envkit.errors import IntegrityError
from envkit.gpucode.read import read_gpu_code
from envkit.gpucode.source import MalformedCodeError, whole
from envkit.models.gpucode import GpuLibrary


class _OpenFile:
    """An open file, read at offsets."""

    def __init__(self, descriptor: int) -> None:
        self.size = os.fstat(descriptor).st_size
        self._descriptor = descriptor

    def read(self, offset: int, size: int) -> bytes:
        """Return `size` bytes at an offset."""
        data = os.pread(self._descriptor, size, offset)
        return data if len(data) == size else whole(data, offset, size)


def scan_file(path: Path, name: str | None = None) -> GpuLibrary | None:
    """Return the GPU code of a file; None if it is of no kind that can hold any.

    Args:
        path: The file.
        name: Its name in the answer, if not its path.

    Raises:
        IntegrityError: The file contradicts itself or is cut off.
        OSError: It cannot be read.
    """
    try:
        return read_library(path, str(path) if name is None else name)
    except MalformedCodeError as error:
        raise IntegrityError(
            f"{path} cannot be read as a library: {error}",
            hint="It is damaged or incomplete: download or install it again.",
        ) from error


def read_library(path: str | os.PathLike[str], name: str) -> GpuLibrary | None:
    """Return the GPU code of a file under another name, as `scan_file`.

    Raises:
        MalformedCodeError: The file contradicts itself or is cut off.
        OSError: It cannot be read.
    """
    # To open a pipe would wait for its writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        return read_descriptor(descriptor, name) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
    finally:
        os.close(descriptor)


def read_descriptor(descriptor: int, name: str) -> GpuLibrary | None:
    """Return the GPU code of an open file, as `read_library`."""
    return read_gpu_code(_OpenFile(descriptor), name)

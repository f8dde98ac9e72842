"""Read small files that others may have put there: regular ones of a bounded size.

Imports the standard library only.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from typing import Any

LARGEST_RECORD_BYTES = 128 << 20
"""Largest index, list of paths or record of a package that is read; the largest of 2026 have 20 MB."""

LARGEST_TEXT_BYTES = 16 << 20
"""Largest other file of the kind that people or tools write."""


def open_plain(path: str | os.PathLike[str], flags: int) -> int:
    """Open a file without waiting: an opener for `open`.

    Opening a FIFO would wait for a writer, and opening some devices has effects.
    """
    return os.open(path, flags | os.O_NONBLOCK)


def read_plain(path: str | os.PathLike[str], limit: int = LARGEST_TEXT_BYTES, *, follow: bool = False) -> bytes:
    """Return the content of a regular file.

    Args:
        limit: The most bytes that it may have.
        follow: Whether the path itself may be a symbolic link.

    Raises:
        OSError: It cannot be read, is a link (ELOOP) or another kind of file (EINVAL), or is larger than `limit`
            bytes (EFBIG).
    """
    descriptor = open_plain(path, os.O_RDONLY | (0 if follow else os.O_NOFOLLOW))
    with os.fdopen(descriptor, "rb") as file:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode):
            raise OSError(errno.EINVAL, "is not a regular file", os.fspath(path))
        if state.st_size > limit:
            raise OSError(errno.EFBIG, f"is larger than {limit >> 20} MiB", os.fspath(path))
        data = file.read(limit + 1)
    if len(data) > limit:  # it grew meanwhile
        raise OSError(errno.EFBIG, f"is larger than {limit >> 20} MiB", os.fspath(path))
    return data


def read_json(path: str | os.PathLike[str], limit: int = LARGEST_RECORD_BYTES) -> Any:
    """Return the document in a regular file.

    Raises:
        OSError: See `read_plain`.
        ValueError: It is no JSON, or nested too deeply.
    """
    try:
        return json.loads(read_plain(path, limit))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error

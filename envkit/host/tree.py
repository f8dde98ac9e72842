"""Read the files of the machine, under a root that tests may choose."""

from __future__ import annotations

import os
import stat

_LIMIT_BYTES = 64 * 1024


def read_bounded(path: str | os.PathLike[str], *, limit_bytes: int = _LIMIT_BYTES) -> bytes | None:
    """Return the first bytes of a regular file, or None if it cannot be read.

    It returns at once, whatever the path is: a FIFO is opened without waiting for a writer, a device is not read, and
    an endless file is cut at `limit_bytes`.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    except (OSError, ValueError):
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        parts = []
        left = limit_bytes
        # A file of /proc may return less than asked for: read until it is empty.
        while left > 0 and (part := os.read(descriptor, left)):
            parts.append(part)
            left -= len(part)
        return b"".join(parts)
    except OSError:
        return None
    finally:
        os.close(descriptor)


class Tree:
    """Files below `root`, by their absolute names; an unreadable one counts as absent."""

    __slots__ = ("root",)

    def __init__(self, root: str | os.PathLike[str] = "/") -> None:
        self.root = os.fspath(root)

    def path(self, name: str) -> str:
        """Return the path of the absolute `name`."""
        return os.path.join(self.root, name.lstrip("/"))

    def text(self, name: str) -> str | None:
        """Return the first 64 KiB of a file, with invalid UTF-8 replaced; None if it cannot be read."""
        content = read_bounded(self.path(name))
        return None if content is None else content.decode("utf-8", "replace")

    def exists(self, name: str) -> bool:
        """Return whether anything exists at `name`."""
        return os.path.lexists(self.path(name))

    def names(self, folder: str) -> list[str]:
        """List the names in a folder, sorted; none if it cannot be listed."""
        try:
            return sorted(os.listdir(self.path(folder)))
        except OSError:
            return []

    def resolve(self, name: str) -> str:
        """Return the absolute name, below the root, of the target of a link."""
        real, root = os.path.realpath(self.path(name)), os.path.realpath(self.root)
        return f"/{os.path.relpath(real, root)}" if real.startswith(root.rstrip("/") + "/") else real

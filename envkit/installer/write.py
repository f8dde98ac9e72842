"""Write envkit's own files in a prefix, where a package may have a file of the same name."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

__all__ = ["write_beside"]


def write_beside(path: Path, text: str) -> None:
    """Write a file, readable by all, under a temporary name and rename it; never in place.

    An existing file may be a hard link into the cache, and so into every other environment, or a symbolic link.

    Raises:
        OSError: The volume refuses it.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with temporary.open("x", encoding="utf-8") as file:
        file.write(text)
        os.fchmod(file.fileno(), 0o644)  # whatever the umask was
    temporary.replace(path)

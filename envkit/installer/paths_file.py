"""The list of a package's files, ``info/paths.json`` (CEP 34): tens of thousands of entries, read and written whole."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from envkit.layout.private import read_file
from envkit.plain import LARGEST_RECORD_BYTES


class ListError(ValueError):
    """A list of files is not JSON, or unlike what the standard says."""


class PathsEntry(msgspec.Struct, omit_defaults=True, gc=False):
    """A file, a link or a directory of a package."""

    path: str = msgspec.field(name="_path")
    path_type: str
    sha256: str | None = None
    size_in_bytes: int | None = None
    file_mode: str | None = None
    prefix_placeholder: str | None = None
    no_link: bool | None = None

    @property
    def is_linked(self) -> bool:
        """Whether it is a file that an environment may have by a hard link, of which all is told."""
        return (
            self.path_type == "hardlink"
            and self.prefix_placeholder is None
            and not self.no_link
            and self.sha256 is not None
            and self.size_in_bytes is not None
        )


class _Paths(msgspec.Struct):
    paths: list[PathsEntry]
    paths_version: int = 1


def read_paths(text: bytes) -> list[PathsEntry]:
    """Read the text of a list.

    Raises:
        ListError: It is none.
    """
    try:
        return msgspec.json.decode(text, type=_Paths).paths
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise ListError(str(error)) from error


def paths_text(entries: list[PathsEntry]) -> bytes:
    """Return the text of a list."""
    return msgspec.json.encode(_Paths(entries))


def record_text(record: object) -> bytes:
    """Return the text of a record that may hold entries."""
    return msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"


def is_noarch_python(home: str) -> bool:
    """Return whether a package, given by its directory, says so itself (``info/index.json``).

    Raises:
        ListError: What it says cannot be read.
        OSError: The file cannot be read.
    """
    return bool(_read(home, "index.json").get("noarch") == "python")


def read_commands(home: str) -> list[str]:
    """Return the paths of the entry points of a noarch Python package (``info/link.json``), given its directory.

    Raises:
        ListError: They cannot be read.
        OSError: The file cannot be read.
    """
    try:
        points = (_read(home, "link.json").get("noarch") or {}).get("entry_points") or []
        return [f"bin/{point.split('=', 1)[0].strip()}" for point in points]
    except FileNotFoundError:
        return []
    except (AttributeError, TypeError) as error:
        raise ListError(str(error)) from error


def _read(home: str, name: str) -> dict[str, Any]:
    try:
        found = json.loads(read_file(f"{home}/info/{name}", limit=LARGEST_RECORD_BYTES))
    except (ValueError, RecursionError) as error:
        raise ListError(str(error)) from error
    if not isinstance(found, dict):
        raise ListError(f"info/{name} is no object")
    return found

"""Contents of a prefix: packages, files that differ from their records, packages that pip added."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from envkit.values import dataclass, field

Fault = Literal["missing", "closed", "unreadable", "size", "sha256", "certificates"]


def project_name(text: str) -> str:
    """Return a name as indexes of Python packages normalise it (PEP 503); `packaging` takes 12 ms to load."""
    return re.sub(r"[-_.]+", "-", text).lower()


@dataclass(frozen=True, slots=True)
class InstalledPackage:
    """One package of a conda environment, from its record in ``conda-meta`` (CEP 32)."""

    name: str
    version: str
    build: str
    depends: tuple[str, ...]
    archive_bytes: int | None
    paths: tuple[tuple[str, int | None, bool], ...]  # path in the prefix, size in bytes if fixed, whether a link
    record: str = ""  # the file in conda-meta
    linked_at: float = 0.0  # its mtime: the package's files are not newer
    hashes: Mapping[str, str] = field(default_factory=dict)  # path to sha256 of the file as it is in the prefix
    texts: tuple[tuple[str, str], ...] = ()  # text files that hold the prefix, and the placeholder that it replaced


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A record in ``conda-meta`` that cannot be read, and the exception."""

    record: str
    error: str


@dataclass(frozen=True, slots=True)
class WrongFile:
    """One file that differs from its record.

    Attributes:
        fault: ``closed`` has no read bits; ``certificates`` has more of them than it was installed with.
    """

    package: str  # the package or distribution that brought it
    path: str  # path in the prefix, or in the extracted package
    fault: Fault
    size_bytes: int | None = None  # its size, for ``size`` and ``certificates``
    expected_bytes: int | None = None  # the size in the record, for these
    error: str = ""  # the system's message, for ``unreadable``


@dataclass(frozen=True, slots=True)
class Distribution:
    """A Python distribution that no conda package brought, from its ``.dist-info`` (PEP 376, PEP 627)."""

    name: str
    version: str
    installer: str
    wrong: tuple[WrongFile, ...]
    files: int = 0  # how many it installed


@dataclass(frozen=True, slots=True)
class Repair:
    """The cure of damage in a prefix, which depends on the tool that made it.

    Attributes:
        by: ``fix``: envkit made it, and an environment points to it. ``create``: envkit made it, and none does.
            ``tool``: another tool made it. ``pip``: it is a virtual environment.
        name: The environment, for ``fix``.
    """

    by: Literal["fix", "create", "tool", "pip"]
    name: str = ""

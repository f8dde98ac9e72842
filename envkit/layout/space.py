"""Free space of a volume, and whether a solution fits, estimated before the download."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from envkit.checks.quota import tightest
from envkit.errors import NoSpaceError
from envkit.layout.quota import read_quotas
from envkit.layout.refusal import no_space
from envkit.layout.volume import Volume
from envkit.models.build import Record
from envkit.models.manifest import PipPackage
from envkit.values import dataclass
from envkit.words.values import size_words

# Records hold the compressed size only. Extracted, packages of conda-forge take 2 to 5 times that (PyTorch 3.6).
EXTRACTED_RATIO = 4.0
# Bytes of an average extracted file; environments of 5 GB have about 100,000 files (nebari-dev/nebari#2505).
_BYTES_PER_FILE = 25_000
_BLOCK_BYTES = 2048  # half a block is lost at the end of an average file


@dataclass(frozen=True, slots=True)
class Space:
    """Free space that file system and quotas leave to an ordinary user."""

    free_bytes: int
    free_inodes: int | None  # None if they are not counted
    quota: str | None = None  # the one that leaves less than the file system, such as ``user 1000``

    @property
    def within(self) -> str:
        """Name the quota, in words that follow "free"."""
        return f" within the quota of {self.quota}" if self.quota else ""

    @property
    def none_left(self) -> bool:
        """Whether bytes or inodes are used up."""
        return self.free_bytes == 0 or self.free_inodes == 0


def free_space(folder: Path) -> Space:
    """Measure the free space around a folder, for this user, now."""
    state = os.statvfs(folder)
    free_inodes = state.f_favail if state.f_files else None
    return Space(*tightest(state.f_bavail * state.f_frsize, free_inodes, read_quotas(folder), time.time()))


def is_full(volume: Volume, error: BaseException) -> bool:
    """Return whether an error comes from a full disk or quota. Errors of the native engine have no number."""
    text = str(error).lower()
    said = no_space(error) or "no space left" in text or "quota exceeded" in text
    return said or free_space(volume.root).none_left


def check_space(volume: Volume, missing: Sequence[Record], *, wheels: Sequence[PipPackage] = ()) -> None:
    """Refuse a solution that will not fit, before the download. Wheels may be in the cache already."""
    download = sum(record.size or 0 for record in missing) + sum(wheel.size or 0 for wheel in wheels)
    need = int(download * (1 + EXTRACTED_RATIO))
    space = free_space(volume.root)
    if need > space.free_bytes:
        raise NoSpaceError(
            f"{volume.root} has {size_words(space.free_bytes)} free{space.within} and about {size_words(need)} are "
            f"needed: {size_words(download)} to download, extracted about {EXTRACTED_RATIO:g} times that",
            hint="Free space, or choose another volume with --persist DIR.",
        )
    files = int(download * EXTRACTED_RATIO / _BYTES_PER_FILE)
    if space.free_inodes is not None and 2 * files > space.free_inodes:
        raise NoSpaceError(
            f"{volume.root} has {space.free_inodes:,} inodes free{space.within} and about {2 * files:,} are needed",
            hint="Remove files, or choose another volume with --persist DIR.",
        )


def refuse_full(folder: Path, size_bytes: int, files: int) -> None:
    """Refuse to copy files of a known size into a folder that has no room for them.

    Raises:
        NoSpaceError: It has not.
    """
    space = free_space(folder)
    need = size_bytes + files * _BLOCK_BYTES
    if need > space.free_bytes:
        raise NoSpaceError(
            f"{folder} has {size_words(space.free_bytes)} free{space.within} and {size_words(need)} are needed",
            hint="Free space there, or choose another directory.",
        )
    if space.free_inodes is not None and files > space.free_inodes:
        raise NoSpaceError(
            f"{folder} has {space.free_inodes:,} inodes free{space.within} and {files:,} are needed",
            hint="Remove files there, or choose another directory.",
        )

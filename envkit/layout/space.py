"""Whether a volume has room for a solution, estimated before the download."""

from __future__ import annotations

from collections.abc import Sequence

from envkit.errors import NoSpaceError
from envkit.layout.volume import Volume
from envkit.models.build import Record

__all__ = ["EXTRACTED_RATIO", "check_space"]

# Records hold the compressed size only. Extracted, packages of conda-forge take 2 to 5 times that (PyTorch 3.6).
EXTRACTED_RATIO = 4.0
# Bytes of an average extracted file; environments of 5 GB have about 100,000 files (nebari-dev/nebari#2505).
BYTES_PER_FILE = 25_000


def check_space(volume: Volume, missing: Sequence[Record]) -> None:
    """Refuse before the download what will not fit.

    Args:
        volume: Where.
        missing: Records that are not in the cache.

    Raises:
        NoSpaceError: The estimate is larger than what is free.
    """
    download = sum(record.size or 0 for record in missing)
    need = int(download * (1 + EXTRACTED_RATIO))
    space = volume.space()
    if need > space.free_bytes:
        raise NoSpaceError(
            f"{volume.root} has {space.free_bytes / 1e6:,.0f} MB free{space.within} and about {need / 1e6:,.0f} MB are "
            f"needed: {download / 1e6:,.0f} MB to download, extracted about {EXTRACTED_RATIO:g} times that",
            hint="Free space, or choose another volume with --persist DIR.",
        )
    files = int(download * EXTRACTED_RATIO / BYTES_PER_FILE)
    if space.free_inodes is not None and 2 * files > space.free_inodes:
        raise NoSpaceError(
            f"{volume.root} has {space.free_inodes:,} inodes free{space.within} and about {2 * files:,} are needed",
            hint="Remove files, or choose another volume with --persist DIR.",
        )

"""What conda-pack adds to its archives: `bin/conda-unpack`, for those who unpack a file without envkit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from envkit.errors import UsageError
from envkit.models.pack import PackedFile


class _Kept:
    """An archive, as conda-pack writes one, whose files are kept."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def add(self, source: str, target: str) -> None:
        """Keep a file."""
        self.files[target] = Path(source).read_bytes()


def conda_packer() -> Any:
    """Return conda-pack's class that packs.

    Raises:
        UsageError: conda-pack is not installed.
    """
    try:
        from conda_pack.core import Packer
    except ImportError as error:
        raise UsageError(
            "packing takes conda-pack, which is not installed", hint="Install it beside envkit: pip install conda-pack"
        ) from error
    return Packer


def conda_unpack_files(prefix: Path, files: Sequence[PackedFile]) -> Mapping[str, bytes]:
    """Return the scripts with which conda-pack's users unpack and activate, by their path.

    Raises:
        UsageError: conda-pack is not installed.
    """
    kept = _Kept()
    packer = conda_packer()(str(prefix), kept)
    packer.prefixes = [(f.path, f.embedded.text, f.embedded.mode) for f in files if f.embedded is not None]
    packer.finish()
    there = {file.path for file in files}
    return {path: data for path, data in sorted(kept.files.items()) if path not in there}

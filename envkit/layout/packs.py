"""Packs that are kept on a volume, each named after its generation."""

from __future__ import annotations

from pathlib import Path

from envkit.layout.private import folder, peek
from envkit.layout.volume import Volume
from envkit.models.pack import PACK_FORMATS, PackFormat


def pack_path(volume: Volume, generation: str, form: PackFormat) -> Path:
    """Return where the pack of a generation is kept; make the folder for it."""
    folder(volume.root, volume.packs, make=True).close()
    return volume.packs / f"{generation}.{form}"


def find_pack(volume: Volume, generation: str) -> tuple[Path, PackFormat] | None:
    """Return the pack of a generation that is kept on the volume; None if there is none."""
    names = peek(volume.root, volume.packs)
    found = ((volume.packs / f"{generation}.{form}", form) for form in PACK_FORMATS)
    return next(((path, form) for path, form in found if path.name in names), None)


def packed_generation(path: Path) -> str:
    """Return the generation that a file among the packs is of: its name without the format."""
    ends = (f".{form}" for form in PACK_FORMATS)
    return next((path.name.removesuffix(end) for end in ends if path.name.endswith(end)), path.name)

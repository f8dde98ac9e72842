"""A volume: the persistent root that holds environments, their generations and the package cache."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from envkit.errors import UsageError
from envkit.paths import GENERATIONS, LAUNCHER, LEASES, PACKS, PRIVATE, USES, VALIDATIONS
from envkit.patterns import regex
from envkit.values import dataclass

_NAME = regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}\Z")
_ENTRY_SCRIPT = "env.sh"
# conda's own names for the installation itself, and names that would hide our files.
_RESERVED = {"base", "root", _ENTRY_SCRIPT}


class VolumePath:
    """A path below the root of a volume, and its description for the reference."""

    def __init__(self, description: str, *parts: str) -> None:
        self.__doc__ = description
        self._parts = parts

    def __get__(self, volume: Volume, owner: object) -> Path:
        return volume.root.joinpath(*self._parts)


@dataclass(frozen=True, slots=True)
class Volume:
    """The paths of a volume. Making the value touches nothing."""

    root: Path

    private = VolumePath("Everything but the environments' links and `entry_script`.", PRIVATE)
    generations = VolumePath("Installed prefixes.", PRIVATE, GENERATIONS)
    packages = VolumePath("Extracted packages by sha256.", PRIVATE, "pkgs")
    incoming = VolumePath("Downloads of processes that are running, or that died.", PRIVATE, "pkgs", ".incoming")
    bytecode = VolumePath("Compiled Python by package sha256 and Python tag.", PRIVATE, "pyc")
    wheels = VolumePath("uv's cache: wheels unpacked, and what indexes say of projects.", PRIVATE, "uv")
    index = VolumePath("Channel indexes.", PRIVATE, "index")
    gpucode = VolumePath("GPU code of packages as it was measured, by sha256.", PRIVATE, "gpucode")
    packs = VolumePath("Packs of generations: `pack --keep`, `create --packed`.", PRIVATE, PACKS)
    validations = VolumePath("Outcomes of validations by generation and fingerprint.", PRIVATE, VALIDATIONS)
    leases = VolumePath("Locks. They save work; correctness does not rest on them.", PRIVATE, LEASES)
    uses = VolumePath("Marks of processes that work in a generation, on any host.", PRIVATE, USES)
    binaries = VolumePath("The launcher that `entry_script` puts on PATH.", PRIVATE, LAUNCHER)
    own = VolumePath("The copy of envkit itself that `bootstrap` puts there.", PRIVATE, "self")
    entry_script = VolumePath("The script that an entrypoint sources.", _ENTRY_SCRIPT)
    trash = VolumePath("Directories that are being deleted.", PRIVATE, "trash")
    volume_file = VolumePath("The description of the volume.", PRIVATE, "volume.json")

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders of a new volume below its root, in the order in which they are made."""
        caches = (self.packages, self.incoming, self.bytecode, self.wheels, self.index, self.gpucode)
        return (self.private, self.generations, *caches, self.validations, self.leases, self.uses, self.trash, self.own)

    def link(self, name: str) -> Path:
        """Return the path of the link that is the environment `name`."""
        return self.root / check_name(name)


def check_name(name: str) -> str:
    """Return `name` if it can be an environment's name."""
    if name in _RESERVED:
        raise UsageError(f"an environment cannot be called {name!r}", hint="Choose another name with -n NAME.")
    if not _NAME.match(name):
        raise UsageError(
            f"not a name for an environment: {name!r}",
            hint="Use letters, digits, '.', '_' and '-', starting with a letter or digit, at most 100 of them.",
        )
    return name


def environments(volume: Volume) -> Iterator[tuple[str, Path]]:
    """List each environment's name and generation: the links that point into this volume's generations."""
    if not volume.root.is_dir():
        return
    with os.scandir(volume.root) as entries:
        links = sorted(entry.name for entry in entries if entry.is_symlink())
    for name in links:
        target = linked(volume, name)
        if target is not None:
            yield name, target


def linked(volume: Volume, name: str) -> Path | None:
    """Return the generation that a link in the volume's root names, whether it is there or not; else None."""
    root = str(volume.root)
    try:
        target = os.path.normpath(volume.root / os.readlink(f"{root}/{name}"))
    except (OSError, ValueError):  # no link, or removed meanwhile
        return None
    home, _, generation = target.rpartition("/")
    return volume.generations / generation if home == f"{root}/{PRIVATE}/{GENERATIONS}" else None

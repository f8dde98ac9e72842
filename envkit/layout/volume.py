"""A volume: the persistent root that holds environments, their generations and the package cache."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from envkit.errors import UsageError
from envkit.paths import GENERATIONS, LAUNCHER, LEASES, PRIVATE, VALIDATIONS

__all__ = ["Volume", "check_name", "environments"]

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}\Z")
_ENTRY_SCRIPT = "env.sh"
# conda's own names for the installation itself, and names that would hide our files.
_RESERVED = {"base", "root", _ENTRY_SCRIPT}


@dataclass(frozen=True, slots=True)
class Volume:
    """The paths of a volume. Making the value touches nothing."""

    root: Path

    @property
    def private(self) -> Path:
        """Everything but the environments' links and `entry_script`."""
        return self.root / PRIVATE

    @property
    def generations(self) -> Path:
        """Installed prefixes."""
        return self.private / GENERATIONS

    @property
    def packages(self) -> Path:
        """Extracted packages by sha256."""
        return self.private / "pkgs"

    @property
    def incoming(self) -> Path:
        """Downloads of processes that are running, or that died."""
        return self.packages / ".incoming"

    @property
    def bytecode(self) -> Path:
        """Compiled Python by package sha256 and Python tag."""
        return self.private / "pyc"

    @property
    def index(self) -> Path:
        """Channel indexes."""
        return self.private / "index"

    @property
    def validations(self) -> Path:
        """Outcomes of validations by generation and fingerprint."""
        return self.private / VALIDATIONS

    @property
    def leases(self) -> Path:
        """Locks. They save work; correctness does not rest on them."""
        return self.private / LEASES

    @property
    def binaries(self) -> Path:
        """The launcher that `entry_script` puts on PATH."""
        return self.private / LAUNCHER

    @property
    def own(self) -> Path:
        """The copy of envkit itself that `bootstrap` puts there."""
        return self.private / "self"

    @property
    def entry_script(self) -> Path:
        """The script that an entrypoint sources."""
        return self.root / _ENTRY_SCRIPT

    @property
    def trash(self) -> Path:
        """Directories that are being deleted."""
        return self.private / "trash"

    @property
    def volume_file(self) -> Path:
        """The description of the volume."""
        return self.private / "volume.json"

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders of a new volume below its root, in the order in which they are made."""
        return (
            self.private,
            self.generations,
            self.packages,
            self.incoming,
            self.bytecode,
            self.index,
            self.validations,
            self.leases,
            self.trash,
            self.own,
        )

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
    for entry in sorted(os.scandir(volume.root), key=lambda e: e.name):
        if entry.is_symlink():
            target = Path(os.path.normpath(volume.root / os.readlink(entry.path)))
            if target.parent == volume.generations:
                yield entry.name, target

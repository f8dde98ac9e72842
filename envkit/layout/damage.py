"""Damage: files that are not what a package brought."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from envkit.layout.health import InstalledPackage
from envkit.models.report import Finding

__all__ = ["Wrong", "check_contents", "find_wrong", "sha256_of"]

_CHUNK = 1 << 20
# A package's record is written right after its files; a file that is newer by more was changed later.
_LATER_S = 2.0


@dataclass(frozen=True, slots=True)
class Wrong:
    """One file that is not as it was installed."""

    package: str
    path: str
    what: str

    def __str__(self) -> str:
        return f"{self.path} ({self.package}) {self.what}"


def sha256_of(path: Path) -> str:
    """Hex digest of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(_CHUNK):
            digest.update(data)
    return digest.hexdigest()


def find_wrong(prefix: Path, packages: Sequence[InstalledPackage], *, full: bool) -> list[Wrong]:
    """Every file that is missing, cannot be read, or differs from its record.

    Args:
        prefix: The environment.
        packages: Its records.
        full: Hash every file. Otherwise only those whose time says that they changed after they were installed.
    """
    wrong: list[Wrong] = []
    to_hash: list[tuple[InstalledPackage, str]] = []
    for package in packages:
        label = f"{package.name} {package.version}"
        for name, size, is_link in package.paths:
            try:
                state = os.lstat(prefix / name)
            except OSError:
                wrong.append(Wrong(label, name, "is missing"))
                continue
            if is_link or stat.S_ISLNK(state.st_mode):
                continue
            if not state.st_mode & 0o444:
                wrong.append(Wrong(label, name, "cannot be read by anybody"))
            elif size is not None and state.st_size != size:
                wrong.append(Wrong(label, name, f"has {state.st_size} bytes, not {size}"))
            elif name in package.hashes and (full or state.st_mtime > package.linked_at + _LATER_S):
                to_hash.append((package, name))
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        wrong += [found for found in pool.map(lambda item: _hash(prefix, *item), to_hash) if found]
    return wrong


def _hash(prefix: Path, package: InstalledPackage, name: str) -> Wrong | None:
    label = f"{package.name} {package.version}"
    try:
        found = sha256_of(prefix / name)
    except OSError as error:
        return Wrong(label, name, f"cannot be read: {error.strerror}")
    return None if found == package.hashes[name] else Wrong(label, name, "was changed: its sha256 is another")


def check_contents(wrong: Sequence[Wrong], *, files: int, full: bool, hint: str) -> Finding:
    """The finding on the files of an environment."""
    how = "by sha256" if full else "by size and time"
    if not wrong:
        return Finding(
            "files", "pass", None, f"{files} files are as they were installed ({how})", data={"files": files}
        )
    more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""  # noqa: PLR2004
    return Finding(
        check="files",
        status="fail",
        code="files-damaged",
        text=f"{len(wrong)} of {files} files: {'; '.join(map(str, wrong[:3]))}{more}",
        blames="environment",
        hint=hint,
        data={"wrong": [str(item) for item in wrong[:100]], "files": files},
    )

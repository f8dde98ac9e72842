"""Damage: files that are not what a package brought, packages that nobody recorded, prefixes that were moved."""

from __future__ import annotations

import base64
import csv
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from envkit.layout.health import InstalledPackage
from envkit.models.report import Finding

__all__ = ["Distribution", "Wrong", "check_contents", "distributions", "find_wrong", "moved_from", "sha256_of"]

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
    more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""
    return Finding(
        check="files",
        status="fail",
        code="files-damaged",
        text=f"{len(wrong)} of {files} files: {'; '.join(map(str, wrong[:3]))}{more}",
        blames="environment",
        hint=hint,
        data={"wrong": [str(item) for item in wrong[:100]], "files": files},
    )


@dataclass(frozen=True, slots=True)
class Distribution:
    """A Python distribution that no conda package brought, as its ``.dist-info`` says (PEP 376, PEP 627)."""

    name: str
    version: str
    installer: str
    wrong: tuple[Wrong, ...]


def distributions(prefix: Path, packages: Sequence[InstalledPackage], *, full: bool) -> list[Distribution]:
    """What pip or uv installed into a prefix, with files that differ from their RECORD."""
    recorded = {name for package in packages for name, _, _ in package.paths}
    found = []
    for site in sorted(prefix.glob("lib/python3*/site-packages")):
        for info in sorted(site.glob("*.dist-info")):
            if f"{info.relative_to(prefix)}/METADATA" in recorded:
                continue
            name, _, version = info.name.removesuffix(".dist-info").rpartition("-")
            installer = _read(info / "INSTALLER").strip() or "hand"
            found.append(Distribution(name, version, installer, tuple(_check_record(site, info, name, full=full))))
    return found


def _check_record(site: Path, info: Path, label: str, *, full: bool) -> Iterator[Wrong]:
    for row in csv.reader(_read(info / "RECORD").splitlines()):
        if len(row) != 3 or not row[1]:
            continue
        path = site / row[0]
        try:
            size = path.stat().st_size
        except OSError:
            yield Wrong(label, row[0], "is missing")
            continue
        if row[2].isascii() and row[2].isdigit() and row[2].lstrip("0") != (str(size) if size else ""):
            yield Wrong(label, row[0], f"has {size} bytes, not {row[2]}")
        elif full and row[1].startswith("sha256="):
            digest = base64.urlsafe_b64encode(bytes.fromhex(sha256_of(path))).decode().rstrip("=")
            if digest != row[1][7:].rstrip("="):
                yield Wrong(label, row[0], "was changed: its sha256 is another")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


_TRIES = 8
_HEAD = 1 << 16


def moved_from(prefix: Path, packages: Sequence[InstalledPackage]) -> bool:
    """Whether text files hold another prefix than the one where they lie: the environment was moved or copied.

    A few files are looked at. The prefix may be written through a link, so any path that leads here counts.
    """
    looked = 0
    for package in packages:
        for name, _ in package.texts:
            text = _read(prefix / name)[:_HEAD]
            if not text.startswith("#!/"):
                continue
            interpreter = text[2:].split("\n", 1)[0].strip().split(" ", 1)[0]
            if not interpreter.startswith("/") or "/bin/" not in interpreter or interpreter in _SYSTEM:
                continue
            looked += 1
            home = Path(interpreter).parent.parent
            if home.exists() and home.samefile(prefix):
                return False
            if looked == _TRIES:
                return True
    return looked > 0


_SYSTEM: Mapping[str, None] = dict.fromkeys(("/bin/sh", "/usr/bin/env", "/bin/bash", "/usr/bin/perl", "/usr/bin/bash"))

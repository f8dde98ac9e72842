"""Damage: files that differ from their records, distributions without a record, prefixes that were moved."""

from __future__ import annotations

import base64
import csv
import errno
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from envkit.models.installed import Distribution, InstalledPackage, WrongFile
from envkit.plain import LARGEST_TEXT_BYTES, open_plain, read_plain
from envkit.values import replace

_CHUNK = 1 << 20
# A package's record is written right after its files. A file that is newer by more was changed later.
_LATER_S = 2.0


def sha256_of(path: Path) -> str:
    """Return the hex digest of a file."""
    from hashlib import sha256  # OpenSSL's takes a while to load, and a third of the time of Python's own

    digest = sha256()
    with open(path, "rb", opener=open_plain) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "is not a regular file", os.fspath(path))
        while data := file.read(_CHUNK):
            digest.update(data)
    return digest.hexdigest()


def find_wrong(
    prefix: Path,
    packages: Sequence[InstalledPackage],
    *,
    full: bool,
    hashed: Callable[[int], None] = lambda _: None,
) -> list[WrongFile]:
    """List the files that are missing, cannot be read, or differ from their record.

    Args:
        prefix: The environment.
        packages: What is recorded in it.
        full: Hash every file, not only those modified after they were installed.
        hashed: Called with the bytes of each file that was hashed.
    """
    wrong: list[WrongFile] = []
    to_hash: list[tuple[InstalledPackage, str]] = []
    sizes: list[int] = []
    for package in packages:
        label = f"{package.name} {package.version}"
        for name, size, is_link in package.paths:
            try:
                state = os.lstat(prefix / name)
            except OSError:
                wrong.append(WrongFile(label, name, "missing"))
                continue
            if is_link or stat.S_ISLNK(state.st_mode):
                continue
            if not state.st_mode & 0o444:
                wrong.append(WrongFile(label, name, "closed"))
            elif size is not None and state.st_size != size:
                wrong.append(_of_other_size(prefix / name, WrongFile(label, name, "size", state.st_size, size)))
            elif name in package.hashes and (full or state.st_mtime > package.linked_at + _LATER_S):
                to_hash.append((package, name))
                sizes.append(state.st_size)
    if not to_hash:  # as it mostly is
        return wrong
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for size, found in zip(sizes, pool.map(lambda item: _hash(prefix, *item), to_hash), strict=True):
            wrong += [found] if found else []
            hashed(size)
    return wrong


def _hash(prefix: Path, package: InstalledPackage, name: str) -> WrongFile | None:
    label = f"{package.name} {package.version}"
    try:
        found = sha256_of(prefix / name)
    except OSError as error:
        return WrongFile(label, name, "unreadable", error=str(error.strerror))
    return None if found == package.hashes[name] else WrongFile(label, name, "sha256")


def distributions(prefix: Path, packages: Sequence[InstalledPackage], *, full: bool) -> list[Distribution]:
    """List what pip or uv installed into a prefix, with files that differ from their RECORD."""
    recorded = {name for package in packages for name, _, _ in package.paths}
    found = []
    for site in sorted(prefix.glob("lib/python3*/site-packages")):
        for info in sorted(site.glob("*.dist-info")):
            if f"{info.relative_to(prefix)}/METADATA" in recorded:
                continue
            name, _, version = info.name.removesuffix(".dist-info").rpartition("-")
            installer = _read(info / "INSTALLER").strip() or "hand"
            rows = [row for row in csv.reader(_read(info / "RECORD").splitlines()) if len(row) == 3]
            wrong = tuple(_check_record(site, rows, name, full=full))
            found.append(Distribution(name, version, installer, wrong, len(rows)))
    return found


def _check_record(site: Path, rows: Sequence[list[str]], label: str, *, full: bool) -> Iterator[WrongFile]:
    for row in rows:
        if not row[1]:
            continue
        path = site / row[0]
        try:
            size = path.stat().st_size
        except OSError:
            yield WrongFile(label, row[0], "missing")
            continue
        if row[2].isascii() and row[2].isdigit() and row[2].lstrip("0") != (str(size) if size else ""):
            expected = int(row[2][:30])  # int() refuses thousands of digits
            yield _of_other_size(path, WrongFile(label, row[0], "size", size, expected))
        elif full and row[1].startswith("sha256="):
            digest = base64.urlsafe_b64encode(bytes.fromhex(sha256_of(path))).decode().rstrip("=")
            if digest != row[1][7:].rstrip("="):
                yield WrongFile(label, row[0], "sha256")


_BUNDLES = ("/cacert.pem", "ssl/cert.pem")
"""Ends of paths of trusted certificates: of certifi, also inside pip, of botocore, and of conda's ca-certificates."""


def _of_other_size(path: Path, found: WrongFile) -> WrongFile:
    """Return a file of another size, as one to which certificates were added if it is that.

    Networks that look into TLS have an authority of their own, and add it to the files that programs read. What was
    there before is not known, only how long it was; so the file has to be longer, and valid.
    """
    if not found.path.endswith(_BUNDLES) or (found.size_bytes or 0) <= (found.expected_bytes or 0):
        return found
    import ssl

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=_read(path))
    except (OSError, ValueError):  # SSLError is an OSError
        return found
    return replace(found, fault="certificates")


def _read(path: Path) -> str:
    try:
        return read_plain(path, LARGEST_TEXT_BYTES, follow=True).decode("utf-8", "replace")
    except OSError:
        return ""


_TRIES = 8
_HEAD = 1 << 16


def moved_from(prefix: Path, packages: Sequence[InstalledPackage]) -> bool:
    """Return whether text files hold another prefix, so that the environment was moved or copied.

    A few files are read. The prefix may be written through a link, so any path that leads here counts.
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

"""Measured GPU code of packages: one file for each, by the sha256 of its archive.

It is kept on the volume, and in the user's own cache for what measures or asks without a volume; so the cache knows
what this user measured on any volume. Both may cost time, never truth: what cannot be read is measured again.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from envkit.errors import TamperedError
from envkit.host.cache import default_cache_dir
from envkit.host.tree import read_bounded
from envkit.layout.atomic import write_atomic
from envkit.layout.private import folder
from envkit.layout.volume import Volume
from envkit.models.gpucode import GpuPackage
from envkit.patterns import regex
from envkit.wire.gpucode import package_from_json, package_json

FOLDER = "gpucode"
"""The folder of measurements in the user's cache."""

_LIMIT_BYTES = 8 << 20
_DIGEST = regex(r"[0-9a-f]{64}\Z")

Lookup = Callable[[str], GpuPackage | None]
"""Returns what was measured of the package with a sha256, or None."""


def user_measurements() -> Path | None:
    """Return the folder of measurements in the user's cache; None without a home."""
    cache = default_cache_dir(os.environ)
    return Path(cache, FOLDER) if cache else None


def read_measured(volume: Volume | None, sha256: str) -> GpuPackage | None:
    """Read what was measured of a package, on the volume or by this user; None if nothing is known.

    A file that is truncated, damaged, of another schema or of another package counts as none.
    """
    found = (_read(folder, sha256.lower()) for folder in measured_folders(volume))
    return next((package for package in found if package is not None), None)


class MeasuredStore:
    """The measurements of this machine. The folders are listed once; a file is read when it is asked for."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """List folders; what is in several is read from the first where it is sound."""
        self._folders = folders
        self._known: set[str] = set()
        for place in folders:
            with contextlib.suppress(OSError):
                self._known.update(name.removesuffix(".json") for name in os.listdir(place))
        self._read: dict[str, GpuPackage | None] = {}
        self._names: dict[tuple[str, str], list[GpuPackage]] | None = None

    def __bool__(self) -> bool:
        """Return whether anything was measured."""
        return bool(self._known)

    def get(self, sha256: str) -> GpuPackage | None:
        """Return what was measured of the package with this digest, or None."""
        digest = sha256.lower()
        if digest not in self._known:
            return None
        if digest not in self._read:
            found = (_read(place, digest) for place in self._folders)
            self._read[digest] = next((package for package in found if package is not None), None)
        return self._read[digest]

    def named(self, name: str, version: str) -> Sequence[GpuPackage]:
        """Return every measured package of this name and version with GPU code; the first time reads all files."""
        if self._names is None:
            self._names = {}
            for package in self.packages():
                self._names.setdefault((package.name, package.version), []).append(package)
        return self._names.get((name, version), ())

    def packages(self) -> Iterator[GpuPackage]:
        """Yield every measured package with GPU code; reads all files."""
        for digest in sorted(self._known):
            package = self.get(digest)
            if package is not None and package.libraries:
                yield package


def measured_store(volume: Volume | None) -> MeasuredStore:
    """Return what was measured on a volume and by this user."""
    return MeasuredStore(measured_folders(volume))


def measured_lookup(volume: Volume | None) -> Lookup:
    """Return a lookup for many packages: it lists the folders once, and reads what is asked for and there."""
    return measured_store(volume).get


def write_measured(volume: Volume | None, package: GpuPackage) -> None:
    """Keep what was measured: on the volume and, where there is GPU code, in the user's cache.

    A folder that cannot be written, or is full, keeps nothing. Two processes that measure the same package write the
    same file, and the last one stays.
    """
    if not _DIGEST.match(package.sha256):
        return
    text = json.dumps(package_json(package), separators=(",", ":"))
    own = user_measurements() if package.libraries or volume is None else None
    name = f"{package.sha256}.json"
    if volume is not None:
        with contextlib.suppress(OSError, TamperedError), folder(volume.root, volume.gpucode) as here:
            here.write(name, text, durable=False)
    if own is not None:
        with contextlib.suppress(OSError):
            own.mkdir(parents=True, exist_ok=True)
            write_atomic(own / name, text, durable=False)


def measured_folders(volume: Volume | None) -> list[Path]:
    """Return the folders of measurements, whether they are there or not."""
    own = user_measurements()
    return [*([volume.gpucode] if volume is not None else []), *([own] if own is not None else [])]


def _read(place: Path, sha256: str) -> GpuPackage | None:
    if not _DIGEST.match(sha256):
        return None
    data = read_bounded(place / f"{sha256}.json", limit_bytes=_LIMIT_BYTES)
    try:
        package = package_from_json(json.loads(data)) if data else None
    except (ValueError, RecursionError):
        return None
    return package if package is not None and package.sha256 == sha256 else None

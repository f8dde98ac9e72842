"""The packages that files of a folder belong to: conda packages by their records, wheels by theirs."""

from __future__ import annotations

import csv
import json
import posixpath
from collections.abc import Iterable, Iterator
from pathlib import Path

from envkit.models.gpucode import GpuLibrary, GpuPackage
from envkit.tuples import NamedTuple

_RECORD_BYTES = 256 << 20


class _Owner(NamedTuple):
    name: str
    version: str
    build: str = ""
    fn: str = ""
    sha256: str = ""


_NOBODY = _Owner("", "")


def group_by_package(root: Path, libraries: Iterable[GpuLibrary]) -> tuple[GpuPackage, ...]:
    """Return files below a folder by the package that brought them.

    Records of conda (CEP 32), of one extracted conda package, and of wheels (PEP 376, PEP 627) are read; damaged ones
    are passed over. What no record names is in a package without a name.
    """
    found = {library.path: library for library in libraries}
    owners: dict[str, _Owner] = {}
    for owner, paths in _records(root, found):
        for path in found.keys() & paths:
            owners.setdefault(path, owner)
        if len(owners) == len(found):
            break
    grouped: dict[_Owner, list[GpuLibrary]] = {}
    for path, library in found.items():
        grouped.setdefault(owners.get(path, _NOBODY), []).append(library)
    return tuple(GpuPackage(*owner, "", tuple(held)) for owner, held in sorted(grouped.items()))


def package_of_archive(file_name: str, libraries: Iterable[GpuLibrary]) -> GpuPackage:
    """Return what an archive holds, as the package that its file name tells."""
    stem, _, kind = file_name.rpartition(".")
    owner = _NOBODY
    if kind == "whl":
        name, _, rest = stem.partition("-")
        owner = _Owner(name.lower().replace("_", "-"), rest.partition("-")[0], fn=file_name)
    elif kind == "conda" or file_name.endswith(".tar.bz2"):
        parts = stem.removesuffix(".tar").rsplit("-", 2)
        owner = _Owner(parts[0], parts[1], parts[2], file_name) if len(parts) == 3 else _NOBODY
    return GpuPackage(*owner, "", tuple(libraries))


def _records(root: Path, libraries: Iterable[str]) -> Iterator[tuple[_Owner, set[str]]]:
    """Yield packages and their files. Records of large packages come first: those have the libraries."""
    index = root / "info" / "index.json"
    if (record := _read_json(index)) is not None:
        yield _conda_owner(record), set(libraries)
        return
    for prefix in sorted(_prefixes(root, libraries)):
        for path in sorted((root / prefix / "conda-meta").glob("*.json"), key=_size, reverse=True):
            if (record := _read_json(path)) is not None:
                yield _conda_owner(record), {prefix + file for file in _conda_files(record)}
    folders = {path[: path.index(marker) + len(marker)] for marker in _SITES for path in libraries if marker in path}
    for folder in sorted(folders | {""}):
        for info in sorted((root / folder).glob("*.dist-info"), key=lambda info: _size(info / "RECORD"), reverse=True):
            name, _, version = info.name.removesuffix(".dist-info").partition("-")
            yield _Owner(name.lower().replace("_", "-"), version), _wheel_files(info / "RECORD", folder)


_SITES = ("site-packages/", "dist-packages/")


def _prefixes(root: Path, libraries: Iterable[str]) -> set[str]:
    """Return the folders with records of conda that files lie in: several in a project of pixi."""
    folders = {""}
    for path in libraries:
        parts = path.split("/")[:-1]
        folders.update("/".join(parts[: end + 1]) + "/" for end in range(len(parts)))
    return {folder for folder in folders if (root / folder / "conda-meta").is_dir()}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _read_json(path: Path) -> dict[str, object] | None:
    try:
        if _size(path) > _RECORD_BYTES:
            return None
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _conda_owner(record: dict[str, object]) -> _Owner:
    return _Owner(*(str(record.get(name) or "") for name in _Owner._fields))


def _conda_files(record: dict[str, object]) -> set[str]:
    files = record.get("files")
    if isinstance(files, list) and files:
        return {path for path in files if isinstance(path, str)}
    data = record.get("paths_data")
    entries = data.get("paths") if isinstance(data, dict) else None
    paths = [entry.get("_path") for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return {path for path in paths if isinstance(path, str)}


def _wheel_files(path: Path, folder: str) -> set[str]:
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return {posixpath.normpath(folder + row[0]) for row in csv.reader(stream) if row}
    except (OSError, ValueError, csv.Error):
        return set()

"""Measure the GPU code of packages in the cache: each once, since what is found is kept by the package's digest."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from envkit.gpucode.source import MalformedCodeError
from envkit.installer.cache import package_dir
from envkit.layout.measured import measured_lookup, read_measured, write_measured
from envkit.layout.volume import Volume
from envkit.models.build import Record
from envkit.models.gpucode import GpuLibrary, GpuPackage
from envkit.models.progress import Reporter
from envkit.scan.file import read_library
from envkit.scan.tree import may_hold_code, scan_tree
from envkit.values import replace
from envkit.words.values import plural

_PARALLEL = 4  # each waits for the disk by several threads of its own


def known_code(volume: Volume, records: Sequence[Record]) -> dict[str, GpuPackage]:
    """Return what was measured of packages before, by file name; without those that hold no GPU code."""
    look_up = measured_lookup(volume)
    found = {record.fn: look_up(record.sha256) for record in records if record.sha256}
    return {fn: package for fn, package in found.items() if package is not None and package.libraries}


def measure_code(volume: Volume, records: Sequence[Record], reporter: Reporter) -> Mapping[str, GpuPackage]:
    """Return the GPU code of cached packages by file name; without those that hold none.

    Raises:
        OSError: A package cannot be read.
    """
    from concurrent.futures import ThreadPoolExecutor

    look_up = measured_lookup(volume)
    measured = {record.fn: look_up(record.sha256) if record.sha256 else None for record in records}
    missing = [record for record in records if measured[record.fn] is None]
    if missing:
        reporter.start("gpu code", plural(len(missing), "package"), total=len(missing))
        with ThreadPoolExecutor(_PARALLEL) as pool:
            for record, package in zip(missing, pool.map(partial(_measure, volume), missing), strict=True):
                measured[record.fn] = package
                reporter.advance("gpu code", 1, text=record.name)
        new = {record.fn for record in missing}
        libraries = sum(len(package.libraries) for fn, package in measured.items() if package and fn in new)
        files = plural(libraries, "file")
        reporter.finish("gpu code", f"{plural(len(missing), 'package')}, {files} with code for GPUs")
    return {fn: package for fn, package in measured.items() if package is not None and package.libraries}


def measure_files(volume: Volume, package: GpuPackage, root: Path, paths: Sequence[str]) -> GpuPackage:
    """Return a package with the GPU code of its files below `root`, and keep it: what was measured before is not read.

    Raises:
        OSError: A file cannot be read.
    """
    known = read_measured(volume, package.sha256) if package.sha256 else None
    if known is not None:
        return known
    found = [_read(root / path, path) for path in paths if may_hold_code(path)]
    libraries = tuple(library for library in found if library is not None and library.has_code)
    measured = replace(package, measured=_today(), libraries=libraries)
    write_measured(volume, measured)
    return measured


def _today() -> str:
    return datetime.datetime.now(datetime.timezone.utc).date().isoformat()


def _measure(volume: Volume, record: Record) -> GpuPackage:
    # Files that cannot be read as libraries are no GPU code: packages hold broken ones to test readers with.
    package = GpuPackage(
        name=record.name,
        version=record.version,
        build=record.build,
        fn=record.fn,
        sha256=(record.sha256 or "").lower(),
        measured=_today(),
        libraries=scan_tree(package_dir(volume, record)).libraries,
    )
    write_measured(volume, package)
    return package


def _read(path: Path, name: str) -> GpuLibrary | None:
    try:
        return read_library(path, name)
    except MalformedCodeError:
        return None

"""Measurements that ship with envkit: rows that `scripts/measure_gpucode` wrote, read when they are first asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from envkit.cuda.tables import load_table
from envkit.models.gpucode import Architecture, GpuLibrary, GpuPackage, PtxCode
from envkit.models.version import CudaVersion

_TEXTS = ("name", "version", "build", "fn", "sha256", "measured")


def library_row(library: GpuLibrary) -> list[Any]:
    """Return a library as the table has it: path, size, and entries such as ``9.0a:4`` and ``12.0:2@9.0``."""
    sass = " ".join(f"{arch}:{number}" for arch, number in sorted(library.sass.items()))
    ptx = " ".join(f"{arch}:{code.entries}@{code.isa}" for arch, code in sorted(library.ptx.items()))
    return [library.path, library.size, sass, ptx]


def _library(row: Sequence[Any]) -> GpuLibrary:
    path, size, sass, ptx = row
    entries = {Architecture.parse(arch): int(number) for arch, number in _pairs(sass)}
    codes: dict[Architecture, PtxCode] = {}
    for arch, text in _pairs(ptx):
        number, _, isa = text.partition("@")
        codes[Architecture.parse(arch)] = PtxCode(int(number), CudaVersion.parse(isa))
    return GpuLibrary(path, size, entries, codes)


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for word in text.split():
        arch, _, rest = word.partition(":")
        yield arch, rest


class ShippedMeasurements:
    """Packages that were measured for a release, by digest and by name; a row becomes a value when it is asked for."""

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take rows as in ``gpucode.json``."""
        self.rows = rows
        self._by_digest = {row["sha256"]: index for index, row in enumerate(rows)}
        self._packages: dict[int, GpuPackage] = {}

    def __bool__(self) -> bool:
        """Return whether there are rows."""
        return bool(self.rows)

    def get(self, sha256: str) -> GpuPackage | None:
        """Return the package with this digest, or None."""
        index = self._by_digest.get(sha256.lower())
        return None if index is None else self._package(index)

    def named(self, name: str, version: str) -> Sequence[GpuPackage]:
        """Return every package of this name and version."""
        return [self._package(i) for i, row in enumerate(self.rows) if (row["name"], row["version"]) == (name, version)]

    def of(self, wanted: Callable[[str], bool]) -> Iterator[tuple[GpuPackage, CudaVersion]]:
        """Yield packages whose name is wanted, each with its CUDA toolkit; without those whose toolkit is not known."""
        for index, row in enumerate(self.rows):
            if "." in row["cuda"] and wanted(row["name"]):
                yield self._package(index), CudaVersion.parse(row["cuda"])

    def _package(self, index: int) -> GpuPackage:
        if index not in self._packages:
            row = self.rows[index]
            texts: dict[str, str] = {key: row[key] for key in _TEXTS}
            self._packages[index] = GpuPackage(**texts, libraries=tuple(map(_library, row["libraries"])))
        return self._packages[index]


@cache
def shipped_measurements() -> ShippedMeasurements:
    """Return the measurements of ``envkit/builds/data/gpucode.json``."""
    return ShippedMeasurements(load_table("gpucode", "envkit.builds")["packages"])

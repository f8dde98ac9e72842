"""Measured GPU code: where it is looked up, and the arch list that it makes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from envkit.builds.libraries import library_role
from envkit.cuda.architectures import fits_ptx, is_tegra
from envkit.cuda.coverage import cover, main_ptx, main_sass
from envkit.frameworks.table import row_of
from envkit.models.build import ArchList, Record
from envkit.models.gpucode import Architecture, GpuLibrary, GpuPackage
from envkit.models.host import Gpu


class Measurements(Protocol):
    """Packages whose GPU code was read: a folder of answers, or the shipped table."""

    def __bool__(self) -> bool:
        """Return whether anything was read."""
        ...

    def get(self, sha256: str) -> GpuPackage | None:
        """Return the package with this hex digest; None where it was not read."""
        ...

    def named(self, name: str, version: str) -> Sequence[GpuPackage]:
        """Return every package of this name and version that was read."""
        ...


class NoMeasurements:
    """Nothing was read."""

    def __bool__(self) -> bool:
        """Return False."""
        return False

    def get(self, sha256: str) -> GpuPackage | None:  # noqa: ARG002 - the Protocol's parameter
        """Return None."""
        return None

    def named(self, name: str, version: str) -> Sequence[GpuPackage]:  # noqa: ARG002 - the Protocol's parameters
        """Return nothing."""
        return ()


NOTHING_MEASURED = NoMeasurements()


def find_measured(record: Record, measurements: Measurements) -> GpuPackage | None:
    """Return the measured package with the GPU code of a record.

    That is the record's own file, or, where this holds none, a package of the same framework that it names to the
    build: conda-forge's ``pytorch`` has its kernels in ``libtorch 2.7.1 cuda129_mkl_h6dc9b3f_301``.
    """
    own = measurements.get(record.sha256) if record.sha256 else None
    if own is not None and own.libraries:
        return own
    row = row_of(record.name)
    for text in record.depends if row is not None else ():
        name, _, rest = text.partition(" ")
        if name == record.name or row is None or name not in row.core:
            continue
        version, _, build = rest.partition(" ")
        for package in measurements.named(name, version.removeprefix("==")):
            if package.build == build and package.libraries:
                return package
    return None


def arch_list_of(package: GpuPackage) -> ArchList | None:
    """Return the arch list of a measured package; None where it holds no GPU code that decides.

    It has the architectures whose GPUs every library of the package's own serves; in a package that no table knows,
    which any library serves.
    """
    having = [library for library in package.libraries if library.sass or library.ptx]
    roles = [library_role(package.name, library.path.rsplit("/", 1)[-1]) for library in having]
    own = [library for library, role in zip(having, roles, strict=True) if role == "own"]
    deciding = own or [library for library, role in zip(having, roles, strict=True) if role in {"part", "any"}]
    if not deciding:
        return None
    needed = all if own else any
    sass = frozenset[Architecture]().union(*map(main_sass, deciding))
    ptx = frozenset[Architecture]().union(*map(main_ptx, deciding))
    return ArchList(
        sass=frozenset(code for code in sass if needed(_serves(library, code) for library in deciding)),
        ptx=frozenset(code for code in ptx if needed(_has_ptx(library, code) for library in deciding)),
        source=package.fn,
        origin="measured",
        code=package,
    )


def _serves(library: GpuLibrary, code: Architecture) -> bool:
    gpu = Gpu(None, code.capability, tegra=is_tegra(code.capability))
    return cover(library, gpu).kind == "covered"


def _has_ptx(library: GpuLibrary, code: Architecture) -> bool:
    return any(fits_ptx(own, Gpu(None, code.capability)) for own in main_ptx(library))

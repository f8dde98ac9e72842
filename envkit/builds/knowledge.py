"""The known GPU code of builds: measured here, measured and shipped, listed in a table, else inferred."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from envkit.builds.archlists import ArchTable, arch_table, channel_of, tegra_or_none
from envkit.builds.inferred import Known, infer, nearest_relative
from envkit.builds.measured import NOTHING_MEASURED, Measurements, arch_list_of, find_measured
from envkit.builds.shipped import ShippedMeasurements, shipped_measurements
from envkit.builds.version import VersionKey, version_key
from envkit.frameworks.row import FrameworkRow
from envkit.frameworks.table import row_of, wheel_row
from envkit.models.build import ArchList, Build, Record, Relative
from envkit.models.gpucode import GpuPackage
from envkit.models.version import CudaVersion


class Knowledge:
    """The sources of arch lists, in the order in which they are asked.

    Equal answers are the same object, so that verdicts can be shared.
    """

    def __init__(
        self,
        table: ArchTable | None = None,
        *,
        here: Measurements = NOTHING_MEASURED,
        shipped: ShippedMeasurements | None = None,
    ) -> None:
        """Take a table and measurements, those of this release where None, and what was read on this machine."""
        self.table = table or arch_table()
        self.here = here
        self.shipped = shipped or shipped_measurements()
        self._measured: dict[str, ArchList | None] = {}
        self._relatives: dict[tuple[str, str, str | None], list[Known]] = {}
        self._found: dict[tuple[object, ...], ArchList | None] = {}
        self._inferred: dict[tuple[int, CudaVersion], tuple[Known, ArchList | None]] = {}
        self._learned: set[int] = set()

    def find(
        self, record: Record, build_cuda: CudaVersion, arm_variant: str | None = None, *, major_only: bool = False
    ) -> ArchList | None:
        """Return the arch list of a build; None where nothing is known of it nor of a relative.

        Args:
            build_cuda: Its toolkit; the newest that it may be where only the major is known.
            arm_variant: ``tegra`` for a Jetson build.
            major_only: Whether only the major of the toolkit is known: no row is for it then.
        """
        measured = self.measured(record)
        if measured is not None:
            return measured
        number, arm = record.build_number, tegra_or_none(arm_variant)
        key = (channel_of(record), record.name, record.version, number, record.subdir, arm, build_cuda, major_only)
        if key not in self._found:
            listed = self.table.find(record, build_cuda, arm) if not major_only else None
            self._found[key] = listed or self._infer(record, build_cuda, arm)
        return self._found[key]

    def measured(self, record: Record) -> ArchList | None:
        """Return the arch list of a build whose libraries were read; None where they were not."""
        package = find_measured(record, self.here) if self.here else None
        if package is not None:
            return self._list_of(package)
        return self._by_digest(record.sha256) if record.sha256 else None

    def _by_digest(self, sha256: str) -> ArchList | None:
        package = self.here.get(sha256) or self.shipped.get(sha256)
        return self._list_of(package) if package is not None else None

    def _list_of(self, package: GpuPackage) -> ArchList | None:
        if package.sha256 not in self._measured:
            self._measured[package.sha256] = arch_list_of(package)
        return self._measured[package.sha256]

    def wheel(self, name: str, version: str, cuda: CudaVersion | None, sha256: str | None = None) -> ArchList | None:
        """Return the arch list of a wheel; None where nothing is known of it nor of an older one.

        GPU code does not depend on the Python of a wheel, so any measured file of its version counts as its own.

        Args:
            name: Normalised name (PEP 503).
            version: Version without the local part: ``2.5.1`` of ``2.5.1+cu121``.
            cuda: Its toolkit; None for the default wheel of PyPI.
        """
        own = self._by_digest(sha256) if sha256 else None
        if own is not None:
            return own
        known = self._known_wheels(name)
        alike = [k for k in known if k.relative.versions == version and cuda in {None, k.relative.cuda}]
        if alike:
            return alike[-1].arch
        toolkit = cuda or max((k.relative.cuda for k in known), default=CudaVersion(0, 0))
        return self._inferred_from(known, version_key(version), "", toolkit)

    def learn(self, builds: Iterable[Build]) -> None:
        """Take measured builds as relatives of others, which are then inferred from them if they are the nearest."""
        for build in builds:
            record, arch = build.record, build.arch
            if arch is None or arch.origin != "measured" or build.build_cuda is None or build.cuda_major_only:
                continue
            if id(arch) in self._learned:
                continue
            self._learned.add(id(arch))  # the list is kept, and with it its id
            channel, key = channel_of(record), version_key(record.version)
            relative = Relative(record.name, record.version, build.build_cuda, channel, "measured")
            self._known(channel, record.name, tegra_or_none(build.needs.arm_variant)).append(
                Known(arch, relative, frozenset({record.subdir}), key, key)
            )
            self._found.clear()

    def _known(self, channel: str, name: str, arm_variant: str | None) -> list[Known]:
        key = (channel, name, arm_variant)
        if key not in self._relatives:
            rows = self.table.relatives(channel, name, arm_variant)
            self._relatives[key] = list(rows or (self._wheels(name) if arm_variant is None else ()))
        return self._relatives[key]

    def _wheels(self, name: str) -> Sequence[Known]:
        """Return wheels as relatives of the conda builds of a framework that no row is about.

        Both are built from the same sources, mostly for the lists that these name: cupy-feedstock sets none. Where a
        recipe has a list of its own the packages show it, before they are published.
        """
        row = row_of(name)
        if row is None or name not in {row.compiled, *row.core, *row.always_cuda, *row.wrappers}:
            return ()
        return () if self.table.names & set(row.packages) else self._known_wheels(row)

    def _known_wheels(self, of: str | FrameworkRow) -> list[Known]:
        """Return the measured wheels of a name, or all those of a framework."""
        key = ("PyPI", of, None) if isinstance(of, str) else ("PyPI, framework", of.key, None)
        if key not in self._relatives:
            self._relatives[key] = list(self._measured_wheels(of))
        return self._relatives[key]

    def _measured_wheels(self, of: str | FrameworkRow) -> Iterator[Known]:
        for package, cuda in self.shipped.of(lambda name: name == of or wheel_row(name) is of):
            arch = self._list_of(package)
            if arch is not None:
                relative = Relative(package.name, package.version, cuda, "PyPI", "measured")
                version = version_key(package.version)
                yield Known(arch, relative, frozenset({"linux-64"}), version, version)

    def _infer(self, record: Record, build_cuda: CudaVersion, arm_variant: str | None) -> ArchList | None:
        known = self._known(channel_of(record), record.name, arm_variant)
        return self._inferred_from(known, version_key(record.version), record.subdir, build_cuda)

    def _inferred_from(
        self, known: Sequence[Known], version: VersionKey, subdir: str, build_cuda: CudaVersion
    ) -> ArchList | None:
        nearest = nearest_relative(known, version, subdir, build_cuda)
        if nearest is None:
            return None
        key = (id(nearest), build_cuda)
        if key not in self._inferred:
            self._inferred[key] = (nearest, infer(nearest, build_cuda))  # the relative is kept, and with it its id
        return self._inferred[key][1]


@cache
def shipped_knowledge() -> Knowledge:
    """Return what this release knows, without anything that was read on this machine."""
    return Knowledge()

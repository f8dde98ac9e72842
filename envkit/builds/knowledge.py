"""What is known of the GPU code of builds: measured here, measured and shipped, listed in a table, else inferred."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

from envkit.builds.archlists import ArchTable, arch_table, channel_of, tegra_or_none
from envkit.builds.inferred import Known, infer, nearest_relative
from envkit.builds.measured import NOTHING_MEASURED, Measurements, arch_list_of, find_measured
from envkit.builds.shipped import ShippedMeasurements, shipped_measurements
from envkit.builds.version import version_key
from envkit.frameworks.table import row_of, wheel_row
from envkit.models.build import ArchList, Build, Record, Relative
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
        if package is None and record.sha256:
            package = self.shipped.get(record.sha256)
        if package is None:
            return None
        if package.sha256 not in self._measured:
            self._measured[package.sha256] = arch_list_of(package)
        return self._measured[package.sha256]

    def learn(self, builds: Iterable[Build]) -> None:
        """Take measured builds as relatives of others, which are then inferred from them if they are the nearest."""
        for build in builds:
            record, arch = build.record, build.arch
            if arch is None or arch.origin != "measured" or build.build_cuda is None or build.cuda_major_only:
                continue
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

    def _wheels(self, name: str) -> Iterator[Known]:
        """Yield wheels as relatives of the conda builds of a framework that no row is about.

        Both are built from the same sources, mostly for the lists that these name: cupy-feedstock sets none. Where a
        recipe has a list of its own the packages show it, before they are published.
        """
        row = row_of(name)
        if row is None or name not in {row.compiled, *row.core, *row.always_cuda, *row.wrappers}:
            return
        if self.table.names & set(row.packages):
            return
        for package, cuda in self.shipped.of(lambda wheel: wheel_row(wheel) is row):
            arch = arch_list_of(package)
            if arch is not None:
                relative = Relative(package.name, package.version, cuda, "PyPI", "measured")
                version = version_key(package.version)
                yield Known(arch, relative, frozenset({"linux-64"}), version, version)

    def _infer(self, record: Record, build_cuda: CudaVersion, arm_variant: str | None) -> ArchList | None:
        known = self._known(channel_of(record), record.name, arm_variant)
        nearest = nearest_relative(known, version_key(record.version), record.subdir, build_cuda)
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

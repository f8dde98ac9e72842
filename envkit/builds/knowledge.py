"""What is known of the GPU code of builds: measured here, measured and shipped, listed in a table, else inferred."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from envkit.builds.archlists import ArchTable, arch_table, channel_of, tegra_or_none
from envkit.builds.inferred import Known, infer, nearest_relative
from envkit.builds.measured import NOTHING_MEASURED, Measurements, arch_list_of, find_measured
from envkit.builds.version import version_key
from envkit.models.build import ArchList, Build, Record, Relative
from envkit.models.version import CudaVersion


class Knowledge:
    """The sources of arch lists, in the order in which they are asked.

    Equal answers are the same object, so that verdicts can be shared.
    """

    def __init__(self, table: ArchTable | None = None, *, here: Measurements = NOTHING_MEASURED) -> None:
        """Take a table, that of this release where None, and what was read on this machine."""
        self.table = table or arch_table()
        self.here = here
        self._measured: dict[str, ArchList | None] = {}
        self._relatives: dict[tuple[str, str, str | None], list[Known]] = {}
        self._found: dict[tuple[object, ...], ArchList | None] = {}
        self._inferred: dict[tuple[int, CudaVersion], tuple[Known, ArchList | None]] = {}

    def find(self, record: Record, build_cuda: CudaVersion, arm_variant: str | None = None) -> ArchList | None:
        """Return the arch list of a build; None where nothing is known of it nor of a relative.

        Args:
            arm_variant: ``tegra`` for a Jetson build.
        """
        measured = self.measured(record)
        if measured is not None:
            return measured
        number, arm = record.build_number, tegra_or_none(arm_variant)
        key = (channel_of(record), record.name, record.version, number, record.subdir, arm, build_cuda)
        if key not in self._found:
            listed = self.table.find(record, build_cuda, arm)
            self._found[key] = listed or self._infer(record, build_cuda, arm)
        return self._found[key]

    def measured(self, record: Record) -> ArchList | None:
        """Return the arch list of a build whose libraries were read; None where they were not."""
        package = find_measured(record, self.here) if self.here else None
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
            self._relatives[key] = list(self.table.relatives(channel, name, arm_variant))
        return self._relatives[key]

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

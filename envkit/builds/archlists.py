"""Arch lists of the published builds: which GPU code is inside, which no index says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from envkit.builds.families import channel_name
from envkit.builds.inferred import Known
from envkit.builds.version import VersionKey, version_key
from envkit.cuda.tables import load_table
from envkit.models.build import ArchList, Record, Relative
from envkit.models.gpucode import Architecture
from envkit.models.version import CudaVersion
from envkit.tuples import NamedTuple

_OFFSET = 100  # conda-forge adds 100 (mkl) and 200 (cuda) to the recipe's own build number


class _Row(NamedTuple):
    subdirs: frozenset[str]
    arm_variant: str | None
    low: VersionKey
    high: VersionKey | None
    number_low: int
    number_high: int | None
    cuda: frozenset[CudaVersion]
    arch: ArchList
    versions: str


def _architectures(text: str) -> frozenset[Architecture]:
    return frozenset(Architecture.parse(word) for word in text.split())


@cache
def arch_lists() -> tuple[dict[str, Any], ...]:
    """Return the rows of ``envkit/builds/data/archlists.json``, as they are."""
    return tuple(load_table("archlists", "envkit.builds")["arch_lists"])


def _row(row: Mapping[str, Any]) -> _Row:
    before = row.get("version_before")
    return _Row(
        subdirs=frozenset(row["subdirs"]),
        arm_variant=row["arm_variant"],
        low=version_key(row["version_from"]),
        high=version_key(before) if before else None,
        number_low=row.get("number_from", 0),
        number_high=row.get("number_to"),
        cuda=frozenset(CudaVersion.parse(text) for text in row["cuda"]),
        arch=ArchList(_architectures(row["sass"]), _architectures(row["ptx"]), row["source"]),
        versions=f">={row['version_from']}" + (f",<{before}" if before else ""),
    )


class ArchTable:
    """Arch lists by channel, package, version, build number, platform and CUDA."""

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Read rows as in ``archlists.json``; the first that fits a build is its own."""
        index: dict[tuple[str, str], list[_Row]] = {}
        for row in rows:
            entry = _row(row)
            for name in row["names"]:
                index.setdefault((row["channel"], name), []).append(entry)
        self._index = index
        self.names = frozenset(name for _, name in index)

    def find(self, record: Record, build_cuda: CudaVersion, arm_variant: str | None = None) -> ArchList | None:
        """Return the arch list of a published build; None where no row has it.

        `arm_variant` is ``tegra`` for conda-forge's Jetson builds; ``sbsa`` is the ordinary aarch64.
        """
        channel = channel_of(record)
        rows = self._index.get((channel, record.name))
        if rows is None:
            return None
        key = version_key(record.version)
        number = record.build_number % _OFFSET if channel == "conda-forge" else record.build_number
        for row in rows:
            if (
                build_cuda in row.cuda
                and record.subdir in row.subdirs
                and tegra_or_none(arm_variant) == row.arm_variant
                and row.low <= key
                and (row.high is None or key < row.high)
                and row.number_low <= number
                and (row.number_high is None or number <= row.number_high)
            ):
                return row.arch
        return None

    def relatives(self, channel: str, name: str, arm_variant: str | None) -> tuple[Known, ...]:
        """Return all builds of a package that rows know, as relatives of those that none does."""
        return tuple(
            Known(row.arch, Relative(name, row.versions, cuda, channel), row.subdirs, row.low, row.high)
            for row in self._index.get((channel, name), ())
            if row.arm_variant == tegra_or_none(arm_variant)
            for cuda in sorted(row.cuda)
        )


@cache
def arch_table() -> ArchTable:
    """Return the table of ``envkit/builds/data/archlists.json``."""
    return ArchTable(arch_lists())


def channel_of(record: Record) -> str:
    """Return the short name of a record's channel."""
    return channel_name(record.channel or record.url.rsplit("/", 2)[0])


def tegra_or_none(arm_variant: str | None) -> str | None:
    """Return ``tegra`` for a Jetson build; any other build is alike."""
    return "tegra" if arm_variant == "tegra" else None


def find_arch_list(record: Record, build_cuda: CudaVersion, arm_variant: str | None = None) -> ArchList | None:
    """Return the arch list that the table has for a published build; None where no row has it."""
    return arch_table().find(record, build_cuda, arm_variant)

"""Arch lists of the published builds: which GPU code is inside, which no index says."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any, NamedTuple

from envkit.builds.families import channel_name
from envkit.builds.version import VersionKey, version_key
from envkit.cuda.tables import load_table
from envkit.models.build import ArchList, Record
from envkit.models.version import ComputeCapability, CudaVersion

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


def _capabilities(text: str) -> frozenset[ComputeCapability]:
    return frozenset(ComputeCapability.parse(word) for word in text.split())


def arch_lists() -> tuple[dict[str, Any], ...]:
    """Return the rows of ``envkit/builds/data/archlists.json``, as they are."""
    return tuple(load_table("archlists", "envkit.builds")["arch_lists"])


@cache
def _index() -> dict[tuple[str, str], tuple[_Row, ...]]:
    index: dict[tuple[str, str], list[_Row]] = {}
    for row in arch_lists():
        before = row.get("version_before")
        entry = _Row(
            subdirs=frozenset(row["subdirs"]),
            arm_variant=row["arm_variant"],
            low=version_key(row["version_from"]),
            high=version_key(before) if before else None,
            number_low=row.get("number_from", 0),
            number_high=row.get("number_to"),
            cuda=frozenset(CudaVersion.parse(text) for text in row["cuda"]),
            arch=ArchList(_capabilities(row["sass"]), _capabilities(row["ptx"]), row["source"]),
        )
        for name in row["names"]:
            index.setdefault((row["channel"], name), []).append(entry)
    return {key: tuple(rows) for key, rows in index.items()}


@lru_cache(maxsize=8192)
def _find(
    channel: str, name: str, version: str, number: int, subdir: str, arm_variant: str | None, build_cuda: CudaVersion
) -> ArchList | None:
    key = version_key(version)
    for row in _index().get((channel, name), ()):
        if (
            build_cuda in row.cuda
            and subdir in row.subdirs
            and arm_variant == row.arm_variant
            and row.low <= key
            and (row.high is None or key < row.high)
            and row.number_low <= number
            and (row.number_high is None or number <= row.number_high)
        ):
            return row.arch
    return None


def find_arch_list(record: Record, build_cuda: CudaVersion, arm_variant: str | None = None) -> ArchList | None:
    """Return the arch list of a published build; None where no row knows it.

    `arm_variant` is ``tegra`` for conda-forge's Jetson builds; ``sbsa`` is the ordinary aarch64.
    """
    channel = channel_name(record.channel or record.url.rsplit("/", 2)[0])
    number = record.build_number % _OFFSET if channel == "conda-forge" else record.build_number
    arm = arm_variant if arm_variant == "tegra" else None
    return _find(channel, record.name, record.version, number, record.subdir, arm, build_cuda)

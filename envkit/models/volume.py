"""What `envkit volume` shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from envkit.models.fact import Advice

__all__ = ["VolumeReport", "VolumeUse"]


@dataclass(frozen=True, slots=True)
class VolumeUse:
    """What is on a volume and what it takes; hard links counted once, to whom comes first in this order.

    Attributes:
        environments: How many environments there are.
        generations: How many generations, those that are active included.
        packages: How many packages are cached.
        active_bytes: What the active generations take.
        superseded_bytes: What the others add to that.
        cache_bytes: What cached packages and bytecode add that no generation shares.
        other_bytes: Indexes, envkit itself, everything else.
    """

    environments: int
    generations: int
    packages: int
    active_bytes: int
    superseded_bytes: int
    cache_bytes: int
    other_bytes: int


@dataclass(frozen=True, slots=True)
class VolumeReport:
    """A volume: where it is and why, what its file system is and can do, what is on it.

    Attributes:
        root: Where.
        settings: Name of a setting to its value and where that came from.
        notes: Contradictions between settings, and which won.
        exists: Whether there is a volume already.
        id: Its id.
        mounted_at: Where it was when it was made.
        fs_type: Type of the file system.
        mount_point: Where that is mounted.
        abilities: What the file system can do.
        missing: What it lacks without which it cannot carry an environment.
        concerns: What to know of it.
        free_bytes: Free for an ordinary user.
        free_inodes: The same; None where they are not counted.
        quota: Whose quota leaves less than the file system; None where none does.
        use: What is on it; None where there is no volume.
        launcher: envkit on the volume, or None.
    """

    root: str
    settings: Mapping[str, tuple[str, str]]
    notes: tuple[str, ...]
    exists: bool
    id: str | None
    mounted_at: str | None
    fs_type: str | None
    mount_point: str
    abilities: Mapping[str, bool]
    missing: tuple[str, ...]
    concerns: tuple[Advice, ...]
    free_bytes: int
    free_inodes: int | None
    quota: str | None
    use: VolumeUse | None
    launcher: str | None

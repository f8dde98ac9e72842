"""A volume as it was found: the result of `envkit volume`, and who may use what on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from envkit.models.fact import Advice
from envkit.values import dataclass

Trust = Literal["owner", "group"]
"""Whose packages in a volume's cache each user takes without fetching them again."""


@dataclass(frozen=True, slots=True)
class ShareResult:
    """The sharing of a volume.

    Attributes:
        volume: Root of the volume.
        group: Name or number of the group.
        mode: Mode of the root, as ``ls`` shows it.
        sticky: Whether each member may remove only what is his own.
        trust: Whose packages in the cache each member takes: ``owner`` or ``group``.
        changed: Number of files and folders whose group or mode was changed.
    """

    volume: str
    group: str
    mode: str
    sticky: bool
    trust: Trust
    changed: int


@dataclass(frozen=True, slots=True)
class VolumeUse:
    """Use of a volume. A hard-linked file counts once, in the first of the four sizes that includes it.

    Attributes:
        environments: Number of environments.
        generations: Number of generations, active ones included.
        packages: Number of cached packages.
        active_bytes: Size of the active generations.
        superseded_bytes: Size of the other generations.
        cache_bytes: Size of cached packages and bytecode.
        other_bytes: Size of indexes, envkit itself and everything else.
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
    """A volume, the settings that chose it, its file system and its use.

    Attributes:
        root: Its path.
        settings: Name of each setting, with its value and origin.
        notes: Contradictions between settings, and which won.
        exists: Whether the volume exists.
        id: Its id.
        mounted_at: Its path when it was made.
        fs_type: Type of the file system.
        mount_point: Mount point of the file system.
        abilities: What the file system can do.
        missing: Abilities that an environment needs and the file system lacks.
        concerns: What a user should know about the file system.
        free_bytes: Bytes free for an ordinary user.
        free_inodes: Inodes free; None if they are not counted.
        quota: Owner of the quota that leaves less than the file system; None if none does.
        use: Its use; None if it does not exist.
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


@dataclass(frozen=True, slots=True)
class PathsOf:
    """Paths below the volume's root, and their owners in words."""

    paths: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SharingState:
    """Permissions that keep users from working on a volume that its root's mode lets them use."""

    root: str
    mode: int  # of the root
    barred: tuple[str, ...] = ()  # folders and cached files with fewer permissions than the root
    writable: tuple[str, ...] = ()  # files of cached packages that can be written, and so those of environments
    closed: PathsOf = PathsOf()  # generations and packages that this user may not enter
    not_removable: PathsOf = PathsOf()  # those that this user may not remove
    trusts_group: bool = False  # whether its owner trusts all who may write it
    too_open: tuple[str, ...] = ()  # folders and files that more users may write than the root
    foreign_owner: str | None = None  # its owner, where this user is root and that is somebody else

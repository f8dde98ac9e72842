"""Who may use what on a volume, as it was found."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PathsOf", "SharingState"]


@dataclass(frozen=True, slots=True)
class PathsOf:
    """Paths below the volume's root, and their owners in words."""

    paths: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SharingState:
    """What keeps users from working on a volume that its root's mode lets them use.

    Attributes:
        root: The volume.
        mode: Mode of its root.
        barred: Folders and cached files with fewer permissions than the root.
        writable: Files of cached packages that can be written, and through hard links every environment's.
        closed: Generations and packages that this user may not enter.
        not_removable: Those that this user may not remove.
    """

    root: str
    mode: int
    barred: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    closed: PathsOf = PathsOf()
    not_removable: PathsOf = PathsOf()

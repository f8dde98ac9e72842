"""A pool: machines of several kinds, the builds that each runs, and those that are chosen."""

from __future__ import annotations

from collections.abc import Mapping

from envkit.models.build import Build, Record, Verdict
from envkit.models.host import MachineKind
from envkit.values import dataclass


@dataclass(frozen=True, slots=True)
class PoolRow:
    """One kind of machines."""

    kind: MachineKind
    verdicts: Mapping[int, Verdict]  # by the index of the build; builds that are not asked for there are left out
    pick: int | None = None  # the index of the build that it gets


@dataclass(frozen=True, slots=True)
class PoolMatrix:
    """Machines by builds.

    Attributes:
        builds: The builds that are chosen, then the best of each kind, then others.
        rows: The kinds of machines, in their order.
    """

    builds: tuple[Build, ...]
    rows: tuple[PoolRow, ...]

    @property
    def unserved(self) -> tuple[MachineKind, ...]:
        """The kinds that no build runs on."""
        return tuple(row.kind for row in self.rows if row.pick is None)

    @property
    def picks(self) -> tuple[int, ...]:
        """The indexes of the builds that are chosen."""
        return tuple(sorted({row.pick for row in self.rows if row.pick is not None}))


@dataclass(frozen=True, slots=True)
class ProfileInfo:
    """One profile of an environment, as results tell of it.

    Attributes:
        name: Its name.
        prefix: Its generation's directory; None where nothing was made.
        records: Its packages, sorted by name.
        kinds: The machines that it was chosen for.
        is_main: Whether the environment's link names it.
        here: Whether it is that of this machine.
        pick: The build that decided it; None if it is not known.
        download_bytes: Size of the archives that are not in the cache.
        validated: The verdict of its last validation; None without one.
    """

    name: str
    prefix: str | None
    records: tuple[Record, ...]
    kinds: tuple[MachineKind, ...]
    is_main: bool = False
    here: bool = False
    pick: Verdict | None = None
    download_bytes: int = 0
    validated: str | None = None

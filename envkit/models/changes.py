"""Changes between two generations, and results of the verbs that make or show changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from envkit.models.fact import Advice
from envkit.models.package_state import PackageState
from envkit.models.results import CreateResult
from envkit.values import dataclass

ChangeKind = Literal["added", "removed", "changed"]


@dataclass(frozen=True, slots=True)
class PackageChange:
    """One package that differs. `before` or `after` is None where the package is not there."""

    before: PackageState | None
    after: PackageState | None

    @property
    def name(self) -> str:
        """The package's name."""
        state = self.after or self.before
        return state.name if state else ""

    @property
    def kind(self) -> ChangeKind:
        """The kind of change."""
        return "added" if self.before is None else "removed" if self.after is None else "changed"


@dataclass(frozen=True, slots=True)
class Difference:
    """The differences between two environments.

    Attributes:
        before: What the first one is called.
        after: What the second one is called.
        changes: The packages that differ, by name.
        same: How many packages are the same in both.
        before_bytes: Size of the first one's archives together.
        after_bytes: The same of the second.
    """

    before: str
    after: str
    changes: tuple[PackageChange, ...]
    same: int
    before_bytes: int = 0
    after_bytes: int = 0


def difference(before: Iterable[PackageState], after: Iterable[PackageState], *, names: tuple[str, str]) -> Difference:
    """Compare two sets of packages by name, version and build."""
    old = {package.name: package for package in before}
    new = {package.name: package for package in after}
    changes = []
    for name in sorted(old.keys() | new.keys()):
        was, now = old.get(name), new.get(name)
        if was is None or now is None or (was.version, was.build) != (now.version, now.build):
            changes.append(PackageChange(was, now))
    return Difference(
        before=names[0],
        after=names[1],
        changes=tuple(changes),
        same=len(old.keys() & new.keys()) - sum(change.kind == "changed" for change in changes),
        before_bytes=_total(old),
        after_bytes=_total(new),
    )


def _total(packages: Mapping[str, PackageState]) -> int:
    return sum(package.size_bytes or 0 for package in packages.values())


@dataclass(frozen=True, slots=True)
class ChangeResult:
    """Result of `install`, `uninstall` or `upgrade`, and how it differs from the generation before."""

    created: CreateResult
    difference: Difference
    held: tuple[Advice, ...] = ()  # packages of an upgrade that exist in a newer version, and what excludes it


@dataclass(frozen=True, slots=True)
class GenerationInfo:
    """One generation of an environment.

    Attributes:
        number: Its number in the environment's history.
        generation: Its directory's name.
        prefix: Its directory.
        created: When it was made, in ISO 8601, UTC.
        verb: The command that made it.
        parent: Number of the generation that it was made from, while that is there.
        active: Whether the environment's link points to it.
        specs: What was asked for.
        packages: How many packages it holds.
        difference: What it changed, against its parent; None where that is gone.
        validated: ``pass``, ``fail`` or ``skip`` of the last validation; None when there was none.
        profiles: Names of the profiles that it has, its own among them; empty for one alone.
    """

    number: int
    generation: str
    prefix: str
    created: str
    verb: str
    parent: int | None
    active: bool
    specs: tuple[str, ...]
    packages: int
    difference: Difference | None
    validated: str | None
    profiles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class History:
    """The generations of an environment, oldest first."""

    environment: str
    volume: str
    generations: tuple[GenerationInfo, ...]


@dataclass(frozen=True, slots=True)
class SwitchResult:
    """Where an environment's link points now, and what that changed (`rollback`, `rename`).

    Attributes:
        environment: Its name.
        path: Its link.
        prefix: The generation that the link names.
        number: That generation's number.
        before: Number of the generation that was active, or None where the link only got another name.
        difference: What changed.
        validated: Whether the generation was validated on a host like this one.
    """

    environment: str
    path: str
    prefix: str
    number: int
    before: int | None
    difference: Difference | None
    validated: bool


@dataclass(frozen=True, slots=True)
class RemoveResult:
    """Result of `remove`.

    Attributes:
        environment: The name that is free again.
        generations: Generations that are deleted.
        kept: Generations that a process is using; `clean` takes them later.
        freed_bytes: What that gave back.
    """

    environment: str
    generations: tuple[str, ...]
    kept: tuple[str, ...]
    freed_bytes: int

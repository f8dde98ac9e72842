"""Values of the pip part of a plan: the question, and the distributions that answer it."""

from __future__ import annotations

from envkit.models.manifest import Manifest, PipPackage, PipPart
from envkit.models.pip import PipWish, Provided
from envkit.values import dataclass


@dataclass(frozen=True, slots=True)
class PipQuestion:
    """A pip section to resolve, and everything that the answer depends on but the indexes."""

    wish: PipWish
    python: str  # the Python of the environment, such as ``3.11.7``
    subdir: str  # the platform of the environment
    glibc: str | None = None  # glibc of the target; None where it is not known or there is none
    provided: tuple[Provided, ...] = ()  # distributions of conda packages
    kept: tuple[PipPackage, ...] = ()  # versions that stay where they can
    exclude_newer: str | None = None  # what was uploaded later is not seen; ISO 8601
    fresh: bool = False  # whether indexes are asked again, whatever the cache holds of them


@dataclass(frozen=True, slots=True)
class PipPlan:
    """A pip section that is resolved."""

    packages: tuple[PipPackage, ...]  # what is installed, by name
    relied: tuple[Provided, ...] = ()  # distributions of conda packages that it was resolved with
    question: PipQuestion | None = None  # what was resolved; None for a lock that was read
    notes: tuple[str, ...] = ()  # what was read and has no effect
    locked: PipPart | None = None  # the record of the generation that it was read from
    deferred: bool = False  # whether it can be resolved only in the linked environment, where builds see its packages


def locked_plan(manifest: Manifest) -> PipPlan | None:
    """Return the pip part that a manifest locks; None if it has none."""
    return None if manifest.pip is None else PipPlan(manifest.pip.packages, locked=manifest.pip)

"""Packages as they are in an environment, those of conda and of pip."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from envkit.values import dataclass

if TYPE_CHECKING:
    from envkit.models.manifest import Manifest, PipPackage


@dataclass(frozen=True, slots=True)
class PackageState:
    """One package as it is in an environment; `size_bytes` is its archive's size, as the index gives it."""

    name: str
    version: str
    build: str
    size_bytes: int | None = None


def states_of(manifest: Manifest) -> list[PackageState]:
    """Return the packages of a generation, and those of its pip section, whose build is called ``pip``."""
    packages = [PackageState(p.name, p.version, p.build, p.size) for p in manifest.packages]
    return packages + pip_states(manifest.pip.packages if manifest.pip else ())


def pip_states(packages: Iterable[PipPackage]) -> list[PackageState]:
    """Return the states of distributions."""
    return [PackageState(p.name, p.version or p.commit or "?", "pip", p.size) for p in packages]

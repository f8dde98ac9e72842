"""The content of files that name packages: a recipe still to be solved, or locked solutions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from envkit.models.build import Record
from envkit.models.channel import Channel
from envkit.models.fact import Advice
from envkit.models.pip import PipSection
from envkit.models.recipe import RecipeBlock
from envkit.tuples import NamedTuple
from envkit.values import dataclass, field


class Selected(NamedTuple):
    """A dependency that a selector keeps for some platforms only (CEP 24)."""

    spec: str  # the MatchSpec
    selector: str  # a boolean expression over platforms, such as ``linux and x86_64``


@dataclass(frozen=True, slots=True)
class Recipe:
    """Specs of packages, and the rest of an environment.yml."""

    path: str  # the file
    name: str | None  # name for the environment
    channels: tuple[str, ...]  # channels by name or URL, first wins
    dependencies: tuple[str, ...]  # MatchSpecs
    pip: PipSection = field(default_factory=PipSection)  # the pip section
    platforms: tuple[str, ...] = ()  # platforms that it is meant for
    variables: tuple[tuple[str, str], ...] = ()  # environment variables to set on activation
    sha256: str | None = None  # digest of the file
    format: str = "environment.yml"  # name of its format
    selected: tuple[Selected, ...] = ()  # dependencies for some platforms only
    exact: bool = False  # whether it lists builds, as `conda env export` does
    flags: Mapping[str, str] = field(default_factory=dict)  # flags of `create` that it holds: name without ``--``
    block: RecipeBlock | None = None  # the `envkit:` block
    notes: tuple[Advice, ...] = ()  # how it was read, where that is not plain


class LockedDistribution(NamedTuple):
    """One Python distribution of a lock, from PyPI or a URL."""

    name: str
    version: str | None
    url: str  # an archive, a VCS URL or a path
    hashes: tuple[tuple[str, str], ...] = ()  # algorithm and hex digest


@dataclass(frozen=True, slots=True)
class Locked:
    """Exactly the packages to install; nothing is solved."""

    path: str  # the file
    records: tuple[Record, ...]  # one record for each package, by name, with as much as the file tells
    channels: tuple[Channel, ...]  # the channels of the records
    platform: str | None = None  # the platform that it is for; None where the records tell
    environment: str = "default"  # its name in the file
    distributions: tuple[LockedDistribution, ...] = ()  # Python distributions, installed after the packages
    needs: tuple[str, ...] = ()  # MatchSpecs on virtual packages that the file asks for, besides those of its packages


@dataclass(frozen=True, slots=True)
class LockFile:
    """A lock file: exact packages for one or several platforms and environments."""

    path: str  # the file
    format: str  # name of its format
    parts: tuple[Locked, ...]  # each environment on each platform
    made_for: Mapping[str, Any] = field(default_factory=dict)  # what envkit noted of request and targets
    notes: tuple[Advice, ...] = ()  # how it was read, where that is not plain

"""The content of files that name packages: a recipe still to be solved, or a locked solution."""

from __future__ import annotations

from dataclasses import dataclass, field

from envkit.models.build import Record
from envkit.models.channel import Channel
from envkit.models.pip import PipSection


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


@dataclass(frozen=True, slots=True)
class Locked:
    """Exactly the packages to install; nothing is solved."""

    path: str  # the file
    records: tuple[Record, ...]  # one record for each package, by name, with as much as the file tells
    channels: tuple[Channel, ...]  # the channels of the records

"""The content of files that name packages: a recipe still to be solved, or a locked solution."""

from __future__ import annotations

from dataclasses import dataclass

from envkit.models.build import Record
from envkit.models.channel import Channel

__all__ = ["Locked", "Recipe"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """Specs of packages, and the rest of an environment.yml.

    Attributes:
        path: The file.
        name: Name for the environment.
        channels: Channels by name or URL, first wins.
        dependencies: MatchSpecs.
        pip: Requirements for pip, without credentials.
        platforms: Platforms that it is meant for.
        variables: Environment variables to set on activation.
        sha256: Digest of the file.
    """

    path: str
    name: str | None
    channels: tuple[str, ...]
    dependencies: tuple[str, ...]
    pip: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Locked:
    """Exactly the packages to install; nothing is solved.

    Attributes:
        path: The file.
        records: One record for each package, by name, with as much as the file tells.
        channels: The channels of the records.
    """

    path: str
    records: tuple[Record, ...]
    channels: tuple[Channel, ...]

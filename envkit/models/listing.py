"""Environments of a volume, as `list` and `show` tell of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envkit.values import dataclass

if TYPE_CHECKING:
    from envkit.models.manifest import Manifest
    from envkit.models.outcome import Outcome
    from envkit.profiles import Profile


@dataclass(frozen=True, slots=True)
class EnvironmentInfo:
    """One environment of a volume.

    Attributes:
        name: Its name.
        path: Its link.
        prefix: The generation that the link names.
        size_bytes: Bytes on disk, hard links counted once.
        adds_bytes: Those of them that no other environment shares.
        packages: Number of its packages, those of pip included.
        created: When the generation was made.
        validated: The last validation on a host like this one, else the last one anywhere.
        here: Whether `validated` is of a host like this one.
        passed: The validations on the kind of host on which it passed last.
        problem: What is wrong with it, in words.
        manifest: What the generation is, for `show`; None when it is damaged or gone.
        profile: Name of the profile that the link names, where machines choose among several.
        profiles: All of them, with the rule and what is known of each.
    """

    name: str
    path: str
    prefix: str
    size_bytes: int
    adds_bytes: int = 0
    packages: int = 0
    created: str | None = None
    validated: Outcome | None = None
    here: bool = False
    passed: Outcome | None = None
    problem: str | None = None
    manifest: Manifest | None = None
    profile: str | None = None
    profiles: tuple[ProfileState, ...] = ()


@dataclass(frozen=True, slots=True)
class ProfileState:
    """One profile of an environment, as it is on the volume."""

    rule: Profile  # its name, generation, conditions and machines
    info: EnvironmentInfo  # its generation
    is_main: bool  # whether the environment's link names it
    here: bool  # whether it is that of this machine


@dataclass(frozen=True, slots=True)
class VolumeListing:
    """The environments of a volume; `size_bytes` is what they take together, what they share counted once."""

    root: str
    environments: tuple[EnvironmentInfo, ...]
    size_bytes: int = 0

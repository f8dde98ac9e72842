"""One setting, for people who ask where it comes from."""

from __future__ import annotations

from typing import Any

from envkit.values import dataclass


@dataclass(frozen=True, slots=True)
class SettingSource:
    """A setting as one flag, variable or file has it; without credentials."""

    origin: str  # the name of the variable, or the path of the file
    value: Any


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting as it holds.

    Attributes:
        name: Its name: one of envkit's own, a key of conda's configuration, or a variable.
        value: Its value, without credentials.
        origin: Where it comes from, or ``default``.
        obeyed: Whether envkit does what it says.
        text: What envkit does, or does instead.
        sources: What each source says of it, the one that wins first.
    """

    name: str
    value: Any
    origin: str
    obeyed: bool
    text: str
    sources: tuple[SettingSource, ...] = ()

"""What the user asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from envkit.models.version import CudaVersion

__all__ = ["CudaChoice", "Preference", "Request"]

Preference = Literal["version", "native"]
_CUDA = re.compile(r"(\d{1,2})(?:\.(\d{1,2}))?\Z")


@dataclass(frozen=True, slots=True)
class CudaChoice:
    """What ``--cuda`` says: ``auto``, ``none``, a major (``12``) or one toolkit (``12.1``)."""

    kind: Literal["auto", "none", "major", "exact"] = "auto"
    version: CudaVersion | None = None

    @classmethod
    def parse(cls, text: str) -> CudaChoice:
        """Read the value of ``--cuda``; anything else is a ValueError that says what may stand there."""
        word = text.strip().lower()
        if word in {"auto", "none"}:
            return cls("auto" if word == "auto" else "none")
        match = _CUDA.match(word)
        if match is None:
            raise ValueError(f"--cuda {text!r}: write a toolkit (12.1), a major (12), auto or none")
        if match[2] is None:
            return cls("major", CudaVersion(int(match[1]), 0))
        return cls("exact", CudaVersion(int(match[1]), int(match[2])))

    def __str__(self) -> str:
        if self.version is None:
            return self.kind
        return str(self.version.major) if self.kind == "major" else str(self.version)


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asks for.

    Attributes:
        specs: MatchSpecs, as written.
        cuda: Which CUDA.
        python: ``"3.11"`` or None for any.
        prefer: Whether the newest version comes first among builds that run, or the best tier.
        channels: Channels that the user or a recipe named; empty to let the pick decide.
    """

    specs: tuple[str, ...]
    cuda: CudaChoice = CudaChoice()
    python: str | None = None
    prefer: Preference = "version"
    channels: tuple[str, ...] = ()

"""The state of a GPU at one moment, as NVML tells it."""

from __future__ import annotations

from typing import Literal

from envkit.models.stored import Stored
from envkit.values import dataclass

Slowed = Literal["heat", "power", "hardware"]
"""``heat``: it is too hot. ``power``: the supply asked for less. ``hardware``: one of both, or another fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuHealth(Stored):
    """The state of a GPU.

    Attributes:
        index: Its number under NVML, as in ``nvidia-smi``.
        name: Its name.
        uuid: Its UUID.
        ecc_uncorrected: Memory errors since the last reboot that ECC could not correct; None without ECC.
        remap_pending: Whether a bad row of its memory is replaced at the next reset.
        remap_failed: Whether there was no row left to replace a bad one.
        slowed: Faults that hold its clocks back now.
    """

    index: int
    name: str | None = None
    uuid: str | None = None
    ecc_uncorrected: int | None = None
    remap_pending: bool = False
    remap_failed: bool = False
    slowed: tuple[Slowed, ...] = ()

"""Ask each GPU how it is now: memory errors, and what slows it down. Nothing of it is kept."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from envkit.host.driver import ask_stages
from envkit.models.gpu_health import GpuHealth, Slowed

_TIMEOUT_S = 10.0
# nvml.h, nvmlClocksThrottleReason*: those that are a fault. A power cap, idleness and clocks that were set are none.
_REASONS: Mapping[int, Slowed] = {
    0x08: "hardware",
    0x20: "heat",
    0x40: "heat",
    0x80: "power",
}


def detect_health(*, env: Mapping[str, str] | None = None, timeout_s: float = _TIMEOUT_S) -> tuple[GpuHealth, ...]:
    """Return the state of each GPU that NVML lists, as far as it tells; none where NVML does not answer."""
    lines = ask_stages(["health"], env=os.environ if env is None else env, timeout_s=timeout_s)
    return tuple(_health(device) for line in lines for device in line.get("devices") or ())


def _health(device: Mapping[str, Any]) -> GpuHealth:
    rows: Sequence[Any] = device.get("remapped") or (0, 0, 0, 0)
    mask = device.get("slowed") or 0
    slowed = tuple(dict.fromkeys(word for bit, word in _REASONS.items() if mask & bit))
    return GpuHealth(
        index=device["index"],
        name=device.get("name"),
        uuid=device.get("uuid"),
        ecc_uncorrected=device.get("ecc_uncorrected"),
        remap_pending=bool(rows[2]),
        remap_failed=bool(rows[3]),
        # The cause is more use than the fact that hardware acted on it.
        slowed=tuple(word for word in slowed if word != "hardware") or slowed,
    )

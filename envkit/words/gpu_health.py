"""Words for the state of a GPU."""

from __future__ import annotations

from envkit.models.gpu_health import GpuHealth, Slowed
from envkit.words.values import join, plural

_SLOWED: dict[Slowed, str] = {"heat": "heat", "power": "its power supply", "hardware": "the hardware's protection"}


def slowed_words(slowed: tuple[Slowed, ...]) -> str:
    """Return what holds the clocks of a GPU back."""
    return f"slowed down by {join([_SLOWED[reason] for reason in slowed], ' and ')}"


def health_words(state: GpuHealth) -> str:
    """Return the faults of a GPU, or that there are none."""
    found = [plural(state.ecc_uncorrected, "uncorrected memory error")] if state.ecc_uncorrected else []
    found += ["a bad row of memory without replacement"] if state.remap_failed else []
    found += (
        ["a bad row of memory to be replaced at the next reset"]
        if state.remap_pending and not state.remap_failed
        else []
    )
    found += [slowed_words(state.slowed)] if state.slowed else []
    return "; ".join(found) or "no fault"

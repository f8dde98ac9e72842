"""Tiers as a letter, and in words."""

from __future__ import annotations

from envkit.models.build import Tier

TIER_SYMBOLS = {
    Tier.NATIVE: ("N", "native"),
    Tier.MINOR: ("m", "minor: older driver of the same major"),
    Tier.JIT: ("j", "jit: compiled at first start"),
    Tier.COMPAT: ("c", "compat: through cuda-compat"),
    Tier.UNKNOWN: ("?", "unknown"),
    Tier.CPU: ("o", "on the CPU"),
    Tier.NO: ("x", "does not run"),
}

"""Check ``NVIDIA_REQUIRE_*``, a container image's demands on the host (libnvidia-container).

A space is OR, a comma is AND; several variables must all hold. NVIDIA_DISABLE_REQUIRE switches them off, and an image
with CUDA_VERSION but without NVIDIA_REQUIRE_CUDA demands that CUDA (NVIDIA Container Toolkit, "legacy images").
"""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping

from envkit.models.host import Host
from envkit.patterns import regex
from envkit.values import dataclass

_CONDITION = regex(r"([a-z]+)(>=|<=|!=|>|<|=)([^\s,]+)\Z")
_COMPARE = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
    "!=": operator.ne,
}
_TRUE = {"1", "t", "true", "yes", "on"}


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison, such as ``driver>=535``."""

    subject: str
    operator: str
    value: str

    def __str__(self) -> str:
        return f"{self.subject}{self.operator}{self.value}"


def parse_requirement(text: str) -> tuple[tuple[Condition, ...], ...]:
    """Parse ``cuda>=12.9 brand=tesla,driver>=535,driver<536`` into alternatives of conditions that all must hold.

    An alternative with a part that is not a comparison is left out: it cannot be judged.
    """
    alternatives = []
    for alternative in text.split():
        parts = [_CONDITION.match(part) for part in alternative.split(",") if part]
        if parts and all(parts):
            alternatives.append(tuple(Condition(*part.groups()) for part in parts if part))
    return tuple(alternatives)


def read_requirements(env: Mapping[str, str]) -> dict[str, str]:
    """Return the variables in force and their demands; Jetson's are for another runtime."""
    if env.get("NVIDIA_DISABLE_REQUIRE", "").lower() in _TRUE:
        return {}
    found = {
        name: value
        for name, value in sorted(env.items())
        if name.startswith("NVIDIA_REQUIRE_") and not name.endswith("_JETPACK") and value.strip()
    }
    legacy = env.get("CUDA_VERSION", "").strip()
    if "NVIDIA_REQUIRE_CUDA" not in env and re.match(r"\d+\.\d+", legacy):
        found["CUDA_VERSION"] = f"cuda>={'.'.join(legacy.split('.')[:2])}"
    return found


def unmet_requirements(env: Mapping[str, str], host: Host) -> tuple[str, ...]:
    """Describe the requirements that a host does not meet; one that cannot be judged (brand) counts as met."""
    capabilities = [gpu.compute_capability for gpu in host.gpus if gpu.compute_capability]
    known = {
        "cuda": tuple(host.driver_cuda) if host.driver_cuda else None,
        "driver": host.driver_version.numbers if host.driver_version else None,
        "arch": tuple(min(capabilities)) if capabilities else None,
    }
    unmet = []
    for name, text in read_requirements(env).items():
        alternatives = parse_requirement(text)
        if not alternatives or any(all(_holds(c, known) for c in conditions) for conditions in alternatives):
            continue
        unmet.append(
            f"{name} is not met: the image wants {' or '.join(','.join(map(str, a)) for a in alternatives)};"
            f" this host has driver {host.driver_version}, CUDA {host.driver_cuda}"
        )
    return tuple(unmet)


def _holds(condition: Condition, known: Mapping[str, tuple[int, ...] | None]) -> bool:
    have = known.get(condition.subject)
    if have is None or re.fullmatch(r"\d{1,6}(\.\d{1,6})*", condition.value, re.ASCII) is None:
        return True
    want = tuple(int(part) for part in condition.value.split("."))
    # libnvidia-container compares number by number, with missing ones as zero.
    width = max(len(have), len(want))
    left, right = (numbers + (0,) * (width - len(numbers)) for numbers in (have, want))
    return bool(_COMPARE[condition.operator](left, right))

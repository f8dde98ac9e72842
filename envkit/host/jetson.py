"""NVIDIA Jetson: the Linux for Tegra release."""

from __future__ import annotations

import re

from envkit.host.tree import Tree

__all__ = ["UNKNOWN_RELEASE", "parse_tegra_release", "read_jetson"]

UNKNOWN_RELEASE = "unknown"
"""The release of a Tegra that does not name one."""

_RELEASE = "/etc/nv_tegra_release"
_FAMILY = "/sys/devices/soc0/family"
_TREE = "/proc/device-tree/compatible"


def parse_tegra_release(text: str) -> str | None:
    """Read ``# R35 (release), REVISION: 4.1, GCID: ...`` as ``35.4.1``."""
    match = re.match(r"#\s*R(\d{1,3})\s*\(release\),\s*REVISION:\s*(\d{1,3}(?:\.\d{1,3})*)", text)
    return f"{match[1]}.{match[2]}" if match else None


def read_jetson(tree: Tree) -> tuple[str | None, str]:
    """Return the L4T release (`UNKNOWN_RELEASE` for a Tegra without one), or None, and its source."""
    release = parse_tegra_release(tree.text(_RELEASE) or "")
    if release:
        return release, _RELEASE
    if (tree.text(_FAMILY) or "").lower().startswith("tegra"):
        return UNKNOWN_RELEASE, _FAMILY
    if "nvidia,tegra" in (tree.text(_TREE) or ""):
        return UNKNOWN_RELEASE, _TREE
    return None, f"no {_RELEASE}"

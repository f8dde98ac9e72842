"""Judge a volume by what was read of it: where it is, what dead processes left, its package cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from envkit.checks.files import fault_text
from envkit.models.installed import WrongFile
from envkit.models.manifest import VolumeFile
from envkit.models.report import Finding

__all__ = ["cache_finding", "leftover_findings", "volume_finding"]

_SHOWN = 3


def volume_finding(root: str, described: VolumeFile | None, *, made: bool, here: bool) -> Finding:
    """Judge the description of a volume.

    Args:
        root: Where the volume is.
        described: Its description; None if missing or broken.
        made: Whether envkit made anything there.
        here: Whether the path in the description leads here.
    """
    if described is None:
        if not made:
            return Finding("volume", "warn", "not-a-volume", "no environments were made here yet")
        text = ".envkit/volume.json is missing or cannot be read"
        return Finding("volume", "fail", "volume-file", text, "environment", "--fix writes it anew.")
    if here:
        return Finding("volume", "pass", None, f"volume {described.id}, at {root}")
    home = described.mounted_at
    text = f"the volume was made at {home} and is at {root} now; its environments hold the old path"
    hint = f"--fix links them anew (seconds); or mount it at {home}, or make {home} a link to {root}."
    return Finding("volume", "fail", "moved", text, "environment", hint)


def leftover_findings(unfinished: Sequence[str]) -> list[Finding]:
    """Judge the unfinished generations of dead processes, given their names."""
    if not unfinished:
        return []
    text = f"{len(unfinished)} unfinished generations of runs that died: {', '.join(unfinished[:_SHOWN])}"
    hint = "The next command that makes something removes them; so does --fix."
    return [Finding("leftovers", "warn", "unfinished", text, hint=hint)]


def cache_finding(packages: int, damaged: Mapping[str, WrongFile], *, full: bool) -> Finding:
    """Judge the package cache.

    Args:
        packages: How many packages there are.
        damaged: Directory of each damaged package, and its first file that is wrong.
        full: Whether every file was hashed.
    """
    if not damaged:
        how = "every file by sha256" if full else "present"
        return Finding("cache", "pass", None, f"{packages} cached packages ({how})")
    some = "; ".join(f"{item.package}: {item.path} {fault_text(item)}" for item in list(damaged.values())[:_SHOWN])
    return Finding(
        "cache",
        "fail",
        "cache-damaged",
        f"{len(damaged)} of {packages} cached packages: {some}",
        "environment",
        "--fix takes them out of the cache; they are fetched again when they are needed.",
        data={"packages": list(damaged)},
    )

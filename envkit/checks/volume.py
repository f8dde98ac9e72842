"""Judge a volume by what was read of it: where it is, what dead processes left, its package cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from envkit.models.codes.files import (
    BYTECODE_DAMAGED,
    CACHE_DAMAGED,
    CACHE_SOUND,
    FAULT,
    MOVED,
    NOT_A_VOLUME,
    UNFINISHED,
    VOLUME_FILE,
    VOLUME_FOUND,
)
from envkit.models.fact import Fact
from envkit.models.installed import WrongFile
from envkit.models.manifest import VolumeFile
from envkit.models.report import Finding


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
            return Finding("volume", "warn", Fact(NOT_A_VOLUME))
        return Finding("volume", "fail", Fact(VOLUME_FILE))
    if here:
        return Finding("volume", "pass", Fact(VOLUME_FOUND, id=described.id, root=root))
    return Finding("volume", "fail", Fact(MOVED, made_at=described.mounted_at, root=root))


def leftover_findings(unfinished: Sequence[str]) -> list[Finding]:
    """Judge the unfinished generations of dead processes, given their names."""
    if not unfinished:
        return []
    return [Finding("leftovers", "warn", Fact(UNFINISHED, names=unfinished))]


def bytecode_findings(lists: Sequence[str], packages: Sequence[str]) -> list[Finding]:
    """Judge the bytecode in the cache, given the lists that do not hold and the packages that they are of."""
    if not lists:
        return []
    return [Finding("bytecode", "warn", Fact(BYTECODE_DAMAGED, packages=list(packages)), data={"lists": list(lists)})]


def cache_finding(packages: int, damaged: Mapping[str, WrongFile], *, full: bool) -> Finding:
    """Judge the package cache.

    Args:
        packages: How many packages there are.
        damaged: Directory of each damaged package, and its first file that is wrong.
        full: Whether every file was hashed.
    """
    if not damaged:
        return Finding("cache", "pass", Fact(CACHE_SOUND, packages=packages, full=full))
    wrong = [Fact(FAULT, file=item) for item in damaged.values()]
    fact = Fact(CACHE_DAMAGED, wrong=wrong, packages=packages)
    return Finding("cache", "fail", fact, data={"packages": list(damaged)})

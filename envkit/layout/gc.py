"""Rubbish: what runs that died have left behind, and what nobody needs any more."""

from __future__ import annotations

import contextlib
import datetime
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from envkit.errors import HeldError, IntegrityError
from envkit.layout import lease
from envkit.layout.generation import MANIFEST, list_generations, read_manifest
from envkit.layout.launcher import own_python
from envkit.layout.usage import in_use
from envkit.layout.volume import Volume, discard, environments
from envkit.models.care import CleanItem
from envkit.models.manifest import Manifest

__all__ = ["CACHE", "Keep", "Rubbish", "find_rubbish", "sweep", "take_away"]

CACHE = "cache"
"""The lease that makers of generations share, and that `clean` wants alone before it takes packages."""

# Where a file system cannot lock, a lease tells nothing; then only age speaks.
_UNLEASED_AGE_S = 24 * 3600
# A link on its way to its name lives for microseconds.
_LINK_AGE_S = 60
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}\Z")


def sweep(volume: Volume) -> int:
    """Remove unfinished generations of dead processes, links that never got their name, and the trash; say how many.

    A generation without a manifest belongs to a run that is going on (its lease is held) or that died. Downloads of
    dead runs are left to the next fetch, which takes over what is complete.
    """
    removed = 0
    for path in _unfinished(volume):
        with contextlib.suppress(OSError):
            discard(volume, path)
            removed += 1
    for path in _strays(volume):
        path.unlink(missing_ok=True)
        removed += 1
    if volume.trash.is_dir():
        for path in volume.trash.iterdir():
            shutil.rmtree(path, ignore_errors=True)
            removed += 1
    return removed


def _unfinished(volume: Volume) -> Iterator[Path]:
    locks = volume.leases.is_dir() and lease.can_lock(volume)
    for path in list_generations(volume):
        if (path / MANIFEST).exists() or lease.is_held(volume, path.name):
            continue
        if locks or _age_s(path) >= _UNLEASED_AGE_S:
            yield path


def _strays(volume: Volume) -> list[Path]:
    """Links into the generations that a publisher made and did not live to rename."""
    return [
        volume.root / name
        for name, _ in environments(volume)
        if _TEMPORARY.match(name) and _age_s(volume.root / name) > _LINK_AGE_S
    ]


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.lstat().st_mtime
    except OSError:
        return 0.0


@dataclass(frozen=True, slots=True)
class Keep:
    """What `clean` leaves.

    Attributes:
        superseded: How many superseded generations of each environment, the newest ones.
        younger_than_s: Generations made within so many seconds.
    """

    superseded: int = 2
    younger_than_s: float = 7 * 24 * 3600.0


@dataclass(slots=True)
class Rubbish:
    """What may go, and which generations would go but for something."""

    items: list[CleanItem] = field(default_factory=list)
    kept: list[tuple[str, str]] = field(default_factory=list)


def find_rubbish(volume: Volume, keep: Keep) -> Rubbish:
    """Everything on the volume that nobody needs any more.

    Superseded and orphaned generations, unfinished ones, packages and bytecode that no remaining generation holds,
    downloads of dead runs, validations of generations that are gone, and the trash.
    """
    found = Rubbish()
    found.items += [CleanItem("unfinished", str(path), "its maker died") for path in _unfinished(volume)]
    found.items += [CleanItem("unfinished", str(path), "a link that never got its name") for path in _strays(volume)]
    dead = {item.path for item in found.items}
    generations = {path.name: path for path in list_generations(volume) if str(path) not in dead}
    manifests: dict[str, Manifest] = {}
    unreadable = False
    for name, path in generations.items():
        try:
            manifest = read_manifest(path)
        except IntegrityError:
            manifest = None
        if manifest is None:
            unreadable = True  # of a newer envkit, damaged, or being made: what it needs is not known
        else:
            manifests[name] = manifest
    gone = _superseded(volume, manifests, keep, found)
    remaining = [manifest for name, manifest in manifests.items() if name not in gone]
    if unreadable:
        found.kept.append(("packages", "a generation cannot be read, so it is not known which packages it needs"))
    else:
        found.items += _unneeded(volume, remaining)
    for path in _listdir(volume.packages / ".incoming"):
        if not lease.is_held(volume, path.name):
            found.items.append(CleanItem("download", str(path), "its run died"))
    for path in _listdir(volume.validations):
        if path.name not in generations or path.name in gone:
            found.items.append(CleanItem("validation", str(path), "its generation is gone"))
    found.items += [CleanItem("trash", str(path), "was being deleted") for path in _listdir(volume.trash)]
    return found


def _superseded(volume: Volume, manifests: dict[str, Manifest], keep: Keep, found: Rubbish) -> set[str]:
    """Add the generations that go to `found`; return their names."""
    linked = {path.name: name for name, path in environments(volume)}
    own = own_python(volume)
    if own is not None:
        linked[own.name] = "envkit itself"
    owners = {manifests[g].lineage: name for g, name in linked.items() if g in manifests}
    used = in_use(volume)
    now = time.time()
    gone: set[str] = set()
    by_lineage: dict[str, list[Manifest]] = {}
    for manifest in manifests.values():
        by_lineage.setdefault(manifest.lineage, []).append(manifest)
    for lineage, members in sorted(by_lineage.items()):
        older = sorted(
            (m for m in members if m.generation not in linked), key=lambda m: (m.number, m.created), reverse=True
        )
        owner = owners.get(lineage)
        for manifest in older[keep.superseded :] if owner else older:
            age = now - _made(manifest)
            if manifest.generation in used:
                found.kept.append((manifest.generation, "a process is using it"))
            elif owner and age < keep.younger_than_s:
                found.kept.append((manifest.generation, f"it is {age / 86400:.1f} days old"))
            else:
                why = f"superseded in {owner}, number {manifest.number}" if owner else "no environment points to it"
                kind = "generation" if owner else "orphan"
                found.items.append(CleanItem(kind, str(volume.generations / manifest.generation), why))
                gone.add(manifest.generation)
    return gone


def _made(manifest: Manifest) -> float:
    try:
        return datetime.datetime.fromisoformat(manifest.created).timestamp()
    except ValueError:
        return 0.0


def _unneeded(volume: Volume, remaining: list[Manifest]) -> Iterator[CleanItem]:
    needed = set()
    for manifest in remaining:
        for package in manifest.packages:
            md5 = package.record.get("md5")
            needed.add(package.sha256.lower() if package.sha256 else f"md5-{md5}")
    for kind, folder in (("package", volume.packages), ("bytecode", volume.bytecode)):
        for path in _listdir(folder):
            if path.name not in needed and not path.name.startswith("."):
                names = ", ".join(sorted(os.listdir(path))[:1]) if kind == "package" and path.is_dir() else path.name
                yield CleanItem(kind, str(path), f"no generation holds {names}")


def _listdir(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def take_away(volume: Volume, items: list[CleanItem]) -> list[CleanItem]:
    """Delete what was found; return what another process needed in the meantime and what therefore stays.

    Generations are taken under the lease of their own name, packages only while nobody makes a generation.
    """
    stay: list[CleanItem] = []
    for item in items:
        path = Path(item.path)
        if item.kind in {"package", "bytecode"}:
            continue
        if item.kind in {"generation", "orphan"}:
            try:
                with lease.hold(volume, path.name):
                    discard(volume, path)
            except HeldError:
                stay.append(item)
                continue
        elif path.is_symlink():
            path.unlink(missing_ok=True)
        elif item.kind == "trash":
            shutil.rmtree(path, ignore_errors=True)
        else:
            discard(volume, path)
    packages = [item for item in items if item.kind in {"package", "bytecode"}]
    try:
        with lease.hold(volume, CACHE):
            for item in packages:
                discard(volume, Path(item.path))
    except HeldError:
        stay += packages
    return stay

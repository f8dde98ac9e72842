"""Rubbish: leftovers of dead processes, and what no environment needs any more."""

from __future__ import annotations

import contextlib
import datetime
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from envkit.errors import HeldError, VolumeError
from envkit.layout import lease
from envkit.layout.generation import is_finished, list_generations, list_manifests, pointed_to
from envkit.layout.launcher import own_python
from envkit.layout.lineage import sets_of
from envkit.layout.packs import packed_generation
from envkit.layout.private import Folder, folder, peek
from envkit.layout.trash import discard
from envkit.layout.trust import base_name, guards_caches
from envkit.layout.usage import in_use, seen_in_processes
from envkit.layout.uses import Use, sweep_uses, users_of
from envkit.layout.volume import Volume, environments
from envkit.models.care import CleanItem
from envkit.models.codes.advice import (
    DOWNLOAD_ABANDONED,
    GENERATION_GONE,
    HALF_DELETED,
    INDEX_UNUSED,
    KEPT_IN_USE,
    KEPT_NEWEST,
    KEPT_YOUNG,
    MEASUREMENT_UNUSED,
    NEEDS_UNKNOWN,
    NOT_HELD,
    ORPHANED,
    PACK_UNUSED,
    SUPERSEDED,
    TAKEN_IN_USE,
    UNFINISHED,
    UNNAMED_LINK,
)
from envkit.models.fact import Advice
from envkit.models.manifest import Manifest
from envkit.patterns import regex
from envkit.scratch import sweep_scratch
from envkit.values import dataclass, field

CACHE = "cache"
"""The lease that makers of generations share, and that `clean` holds exclusively to remove packages."""

# On a file system without locks a lease says nothing, so only old generations count as unfinished.
_UNLEASED_AGE_S = 24 * 3600
# A process may be reading an index of the last hour.
_INDEX_AGE_S = 3600
# `publish` renames a temporary link within microseconds.
_LINK_AGE_S = 60
_TEMPORARY = regex(r"\..+\.[0-9a-f]{8}\Z")


def remove_leftovers(volume: Volume) -> int:
    """Remove unfinished generations of dead processes, temporary links and the trash; return how many.

    A generation without a manifest belongs to a running process, which holds its lease, or to a dead one. Downloads
    of dead processes stay: the next fetch takes over the complete ones.
    """
    removed = 0
    for path in _unfinished(volume):
        removed += _remove_unfinished(volume, path)
    for path in _strays(volume):
        removed += _remove_file(volume, path)
    with folder(volume.root, volume.trash) as trash:
        removed += sum(trash.remove_tree(name) for name in trash.names())
    lease.sweep(volume)
    sweep_uses(volume)
    sweep_scratch()
    return removed


def _remove_unfinished(volume: Volume, path: Path) -> bool:
    """Discard an unfinished generation unless its maker lives or has finished it; return whether it is gone."""
    with contextlib.suppress(OSError, HeldError, VolumeError), lease.hold(volume, path.name):
        if not is_finished(path):
            discard(volume, path)
    return not path.exists()


def _remove_file(volume: Volume, path: Path) -> bool:
    """Remove a file or a link; return whether it is gone."""
    with contextlib.suppress(OSError), _home(volume, path) as home:  # another user's
        home.unlink(path.name)
    return not os.path.lexists(path)


def _home(volume: Volume, path: Path) -> Folder:
    """Open the folder that holds a path: on the volume, or the user's own cache."""
    root = volume.root if path.is_relative_to(volume.root) else path.parent
    return folder(root, path.parent)


def _unfinished(volume: Volume) -> Iterator[Path]:
    locks = volume.leases.is_dir() and lease.can_lock(volume)
    for path in list_generations(volume):
        if is_finished(path) or lease.is_held(volume, path.name):
            continue
        # Look again: its maker may have finished it and then released the lease.
        if not is_finished(path) and (locks or _age_s(path) >= _UNLEASED_AGE_S):
            yield path


def _strays(volume: Volume) -> list[Path]:
    """List temporary links into the generations whose publisher died before the rename."""
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
    """The limits up to which `clean` keeps things.

    Attributes:
        superseded: Number of superseded generations of each environment; the newest ones stay.
        younger_than_s: Age below which superseded and orphaned generations stay, since a new generation may be about
            to be published, and channel indexes since their last use.
        used: Whether generations stay that a process is using, as far as that is seen.
    """

    superseded: int = 2
    younger_than_s: float = 7 * 24 * 3600.0
    used: bool = True


@dataclass(slots=True)
class Rubbish:
    """Items to remove, and generations that stay although nothing points to them, with the reason."""

    items: list[CleanItem] = field(default_factory=list)
    kept: list[tuple[str, Advice]] = field(default_factory=list)


def find_rubbish(volume: Volume, keep: Keep) -> Rubbish:
    """Find everything on the volume that is not needed any more.

    Superseded, orphaned and unfinished generations, packages and bytecode that no remaining generation holds,
    downloads of dead processes, validations of removed generations, unused channel indexes, and the trash.
    """
    found = Rubbish()
    found.items += [CleanItem("unfinished", str(path), Advice(UNFINISHED)) for path in _unfinished(volume)]
    found.items += [CleanItem("unfinished", str(path), Advice(UNNAMED_LINK)) for path in _strays(volume)]
    dead = {item.path for item in found.items}
    generations = {path.name: manifest for path, manifest in list_manifests(volume) if str(path) not in dead}
    manifests = {name: manifest for name, manifest in generations.items() if manifest is not None}
    gone = _superseded(volume, manifests, keep, found)
    remaining = [manifest for name, manifest in manifests.items() if name not in gone]
    if generations.keys() - manifests.keys() - _closed(volume):  # newer schema, damaged, or being made
        found.kept.append(("packages", Advice(NEEDS_UNKNOWN)))
    else:
        found.items += _unneeded(volume, remaining)
    dropped = [path for path in _listdir(volume, volume.incoming) if not lease.is_held(volume, path.name)]
    found.items += [CleanItem("download", str(path), Advice(DOWNLOAD_ABANDONED)) for path in dropped]
    void = [path for path in _listdir(volume, volume.validations) if path.name not in generations or path.name in gone]
    found.items += [CleanItem("validation", str(path), Advice(GENERATION_GONE)) for path in void]
    kept = generations.keys() - gone
    found.items += [
        CleanItem("pack", str(path), Advice(PACK_UNUSED))
        for path in _listdir(volume, volume.packs)
        if packed_generation(path) not in kept and not path.name.startswith(".")
    ]
    found.items += find_stale_indexes(volume.index, keep.younger_than_s)
    found.items += [CleanItem("trash", str(path), Advice(HALF_DELETED)) for path in _listdir(volume, volume.trash)]
    return found


def _superseded(volume: Volume, manifests: dict[str, Manifest], keep: Keep, found: Rubbish) -> set[str]:
    """Add superseded and orphaned generations to `found`; return the names of those to remove."""
    linked = _linked(volume)
    owners = {manifests[g].lineage: name for g, name in linked.items() if g in manifests}
    used, users = in_use(volume), users_of(volume)
    now = time.time()
    gone: set[str] = set()
    by_lineage: dict[str, dict[str, Manifest]] = {}
    for name, manifest in manifests.items():
        by_lineage.setdefault(manifest.lineage, {})[name] = manifest
    for lineage, members in sorted(by_lineage.items()):
        owner = owners.get(lineage)
        for place, (manifest, names) in enumerate(sets_of(members, linked)):
            age = now - _made(manifest)
            busy = [name for name in names if name in used]
            users_here = [use for name in names for use in users.get(name, ())]
            kept: Advice | None = None
            if owner and not manifest.side and place < keep.superseded:
                kept = Advice(KEPT_NEWEST, number=manifest.number, owner=owner, newest=keep.superseded)
            elif busy and keep.used:
                kept = Advice(KEPT_IN_USE, by=_told(users_here))
            elif age < keep.younger_than_s:
                kept = Advice(KEPT_YOUNG, age_s=age, least_s=keep.younger_than_s)
            if kept is not None:
                found.kept += [(name, kept) for name in names]
                continue
            is_old = bool(owner) and not manifest.side
            kind = "generation" if is_old else "orphan"
            why = Advice(SUPERSEDED, owner=owner, number=manifest.number) if is_old else Advice(ORPHANED)
            if busy:
                why = Advice(TAKEN_IN_USE, by=_told(users_here))
            found.items += [CleanItem(kind, str(volume.generations / name), why) for name in names]
            gone.update(names)
    return gone


def _told(uses: Iterable[Use]) -> list[dict[str, object]]:
    """Return who uses a generation, oldest first, as parameters of a fact."""
    by_age = sorted(uses, key=lambda use: -use.age_s)
    return [{"host": use.host, "pid": use.pid, "user": use.user, "age_s": round(use.age_s)} for use in by_age]


def _linked(volume: Volume) -> dict[str, str]:
    """Map each generation that something points to, to the environment."""
    linked = pointed_to(volume)
    own = own_python(volume)
    if own is not None:
        linked[own.name] = "envkit itself"
    return linked


def _made(manifest: Manifest) -> float:
    try:
        return datetime.datetime.fromisoformat(manifest.created).timestamp()
    except ValueError:
        return 0.0


def _unneeded(volume: Volume, remaining: list[Manifest]) -> Iterator[CleanItem]:
    needed = _keys(remaining)
    for kind, place in (("package", volume.packages), ("bytecode", volume.bytecode)):
        for path in _listdir(volume, place):
            if base_name(path.name) not in needed and not path.name.startswith(".") and _is_removable(volume, path):
                package = next((child.name for child in _listdir(volume, path) if child.is_dir()), path.name)
                yield CleanItem(kind, str(path), Advice(NOT_HELD, package=package))
    for path in _listdir(volume, volume.gpucode):
        if path.stem not in needed and (not path.name.startswith(".") or _age_s(path) > _INDEX_AGE_S):
            yield CleanItem("gpucode", str(path), Advice(NOT_HELD, package=path.name))


def _is_removable(volume: Volume, path: Path) -> bool:
    """Return whether this user may remove something from a cache: where these are guarded, each removes his own."""
    return os.access(path, os.W_OK | os.X_OK) or not guards_caches(volume)


def find_stale_indexes(place: Path, younger_than_s: float) -> list[CleanItem]:
    """Find channel indexes that were not used for `younger_than_s` seconds, and at least an hour.

    Files beside an index share its name up to the first dot; the latest use of any of them counts. Lock files stay:
    a lock on an unlinked file protects nothing.
    """
    groups: dict[str, list[tuple[Path, float]]] = {}
    for root, _, names in os.walk(place):
        for name in names:
            path = Path(root, name)
            with contextlib.suppress(OSError):  # replaced meanwhile
                state = path.lstat()
                group = os.path.join(root, name.partition(".")[0])  # noqa: PTH118 - thousands of them
                groups.setdefault(group, []).append((path, max(state.st_mtime, state.st_atime)))
    now = time.time()
    found = []
    for members in groups.values():
        idle = now - max(used for _, used in members)
        if idle >= max(younger_than_s, _INDEX_AGE_S):
            why = Advice(INDEX_UNUSED, idle_s=idle)
            found += [CleanItem("index", str(path), why) for path, _ in members if path.suffix != ".lock"]
    return sorted(found, key=lambda item: item.path)


def find_stale_measurements(place: Path, younger_than_s: float) -> list[CleanItem]:
    """Find measurements of GPU code that were not used for `younger_than_s` seconds, in a cache without packages."""
    idle = ((path, _idle_s(path)) for path in (place / name for name in peek(place, place)))
    return [
        CleanItem("gpucode", str(path), Advice(MEASUREMENT_UNUSED, idle_s=idle_s))
        for path, idle_s in idle
        if idle_s >= max(younger_than_s, _INDEX_AGE_S)
    ]


def _idle_s(path: Path) -> float:
    try:
        state = path.lstat()
    except OSError:  # replaced meanwhile
        return 0.0
    return time.time() - max(state.st_mtime, state.st_atime)


def _keys(manifests: Iterable[Manifest]) -> set[str]:
    """Return the cache keys of the packages that generations hold, and those of the bytecode of their wheels."""
    found = set()
    for manifest in manifests:
        found |= {p.sha256.lower() if p.sha256 else f"md5-{p.record.get('md5')}" for p in manifest.packages}
        found |= {p.hashes.get("sha256", "") for p in (manifest.pip.packages if manifest.pip else ())}
    return found


def _needed_now(volume: Volume) -> set[str] | None:
    """Return the cache keys that present generations hold; None if a manifest cannot be read."""
    found = list(list_manifests(volume))
    unread = {path.name for path, manifest in found if manifest is None and path.exists()}
    if unread and unread - _closed(volume):
        return None
    return _keys(manifest for _, manifest in found if manifest is not None)


def _closed(volume: Volume) -> set[str]:
    """Return the generations that this user may not enter, and that nothing points to or holds.

    Another user has closed them, or died before they were published. Nobody else runs them.
    """
    linked = _linked(volume)
    closed = (path.name for path in list_generations(volume) if not os.access(path, os.X_OK))
    return {name for name in closed if name not in linked and not lease.is_held(volume, name)}


def _listdir(volume: Volume, place: Path) -> list[Path]:
    return [place / name for name in peek(volume.root, place)] if not place.is_file() else []


def remove_generation(volume: Volume, path: Path, *, used: bool = False) -> bool:
    """Remove a generation unless something points to it or uses it now; return whether it is gone.

    A rollback, a bootstrap or a job may have started since it was found. They hold its lease shared, so take it
    exclusively. Without locks, look a second time once the generation is out of sight.

    Args:
        path: The generation.
        used: Remove it from under those that use it.
    """
    if used:
        return discard(volume, path, unless=lambda: path.name in _linked(volume))
    try:
        with lease.hold(volume, path.name):
            if path.name in _linked(volume) or path.name in seen_in_processes(volume):
                return False
            if path.name in users_of(volume):
                return False
            return discard(volume, path, unless=lambda: path.name in _linked(volume))
    except (HeldError, VolumeError):
        return False


def remove_rubbish(volume: Volume, items: list[CleanItem]) -> list[CleanItem]:
    """Remove what was found; return the items that stay because another process needs them by now.

    Minutes may have passed, so each item is checked again: a generation under its own lease, packages while no process
    makes a generation.
    """
    packages = [item for item in items if item.kind in {"package", "bytecode"} or _is_measurement(volume, item)]
    stay = [item for item in items if item not in packages and not _remove(volume, item, Path(item.path))]
    if not packages:
        return stay
    try:
        with lease.hold(volume, CACHE):
            needed = _needed_now(volume)
            for item in packages:
                path = Path(item.path)
                if needed is not None and base_name(path.name) not in needed:
                    _remove_file(volume, path) if _is_measurement(volume, item) else discard(volume, path)
                if path.exists():
                    stay.append(item)
    except (HeldError, VolumeError):
        stay += packages
    return stay


def _is_measurement(volume: Volume, item: CleanItem) -> bool:
    return Path(item.path).parent == volume.gpucode


def _remove(volume: Volume, item: CleanItem, path: Path) -> bool:
    """Remove one item that is no package; return whether it is gone."""
    if item.kind in {"generation", "orphan"}:
        return remove_generation(volume, path, used=item.why.code == TAKEN_IN_USE)
    if path.is_symlink() or item.kind in {"index", "gpucode", "archive", "pack"}:
        return _remove_file(volume, path)
    if item.kind == "unfinished":
        return _remove_unfinished(volume, path)
    if item.kind == "trash":
        with folder(volume.root, volume.trash) as trash:
            trash.remove_tree(path.name)
    elif item.kind == "validation":
        if not (volume.generations / path.name).is_dir():
            discard(volume, path)
    elif not lease.is_held(volume, path.name):
        discard(volume, path)
    return not path.exists()

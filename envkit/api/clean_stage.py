"""clean --stage: remove staged copies that nobody uses."""

from __future__ import annotations

import os
import time
from pathlib import Path

from envkit.api.session import Session
from envkit.errors import VolumeError
from envkit.layout import lease
from envkit.layout.disk import freed_by
from envkit.layout.gc import Keep, remove_generation
from envkit.layout.private import peek
from envkit.layout.trash import discard
from envkit.layout.usage import in_use
from envkit.layout.uses import sweep_uses, users_of
from envkit.layout.volume import Volume
from envkit.models.care import CleanItem, CleanResult
from envkit.models.codes.advice import KEPT_IN_USE, KEPT_YOUNG, NEEDED_ELSEWHERE, STAGE_UNUSED, UNFINISHED
from envkit.models.fact import Advice
from envkit.paths import STAGED, stage_root
from envkit.words.values import size_words


def clean_stage(session: Session, place: Path, keep: Keep, *, dry_run: bool) -> CleanResult:
    """Remove this user's copies in a directory that no process uses, and those that were never finished.

    Args:
        place: The directory that was given to `stage`.
        keep: How long a copy stays after its last use, and whether those in use stay.

    Raises:
        VolumeError: This user has staged nothing there.
    """
    store = Volume(Path(stage_root(os.path.abspath(place), os.geteuid())))  # noqa: PTH100 - as `stage`
    if not store.private.is_dir():
        raise VolumeError(f"there are no copies of yours in {place}", hint="Give the directory of envkit stage --to.")
    used, users = in_use(store), users_of(store)
    items: list[CleanItem] = []
    kept: list[tuple[str, Advice]] = []
    for name in peek(store.root, store.generations):
        path = store.generations / name
        idle_s = _idle_s(path)
        if name.startswith("."):
            if not lease.is_held(store, name) and lease.can_lock(store):
                items.append(CleanItem("unfinished", str(path), Advice(UNFINISHED)))
        elif name in used and keep.used:
            told = [
                {"host": u.host, "pid": u.pid, "user": u.user, "age_s": round(u.age_s)} for u in users.get(name, ())
            ]
            kept.append((name, Advice(KEPT_IN_USE, by=told)))
        elif idle_s < keep.younger_than_s:
            kept.append((name, Advice(KEPT_YOUNG, age_s=idle_s, least_s=keep.younger_than_s)))
        else:
            items.append(CleanItem("stage", str(path), Advice(STAGE_UNUSED, idle_s=idle_s)))
    freed = freed_by(Path(item.path) for item in items)
    if not dry_run:
        session.reporter.start("clean", f"{len(items)} things")
        stay = [item for item in items if not _remove(store, Path(item.path), item.kind, used=not keep.used)]
        kept += [(Path(item.path).name, Advice(NEEDED_ELSEWHERE)) for item in stay]
        items = [item for item in items if item not in stay]
        freed -= freed_by(Path(item.path) for item in stay)
        lease.sweep(store)
        sweep_uses(store)
        session.reporter.finish("clean", f"{len(items)} things, {size_words(freed.size_bytes)}")
    return CleanResult(
        volume=str(store.root),
        items=tuple(items),
        kept=tuple(kept),
        freed_bytes=freed.size_bytes,
        freed_inodes=freed.inodes,
        dry_run=dry_run,
    )


def _idle_s(path: Path) -> float:
    """Return the seconds since a copy was last used: each `run` touches its note."""
    try:
        return max(0.0, time.time() - (path / STAGED).lstat().st_mtime)
    except OSError:
        return 0.0


def _remove(store: Volume, path: Path, kind: str, *, used: bool) -> bool:
    return discard(store, path) if kind == "unfinished" else remove_generation(store, path, used=used)

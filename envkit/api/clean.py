"""clean: remove what no environment needs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from envkit.api.records import records_of
from envkit.api.session import Session
from envkit.errors import EnvkitError
from envkit.host.cache import default_cache_dir
from envkit.installer.proof import is_explained
from envkit.installer.remote import find_old_downloads
from envkit.installer.spans import moving_links
from envkit.layout.disk import Freed, freed_by
from envkit.layout.gc import Keep, find_rubbish, find_stale_indexes, find_stale_measurements, remove_rubbish
from envkit.layout.generation import known_manifest
from envkit.layout.measured import user_measurements
from envkit.layout.uses import sweep_uses
from envkit.layout.volume import Volume
from envkit.models.care import CleanItem, CleanResult
from envkit.models.codes.advice import NEEDED_ELSEWHERE
from envkit.models.fact import Advice
from envkit.models.progress import working
from envkit.words.values import size_words


def clean(session: Session, keep: Keep, *, dry_run: bool) -> CleanResult:
    """Remove superseded generations, unused packages, bytecode and indexes, orphans, leftovers and trash.

    The user's own caches are cleaned too: channel indexes, which are used while there is no volume, measured GPU code,
    and archives that were looked into.
    """
    volume, reporter = session.find_volume(), session.reporter
    if not dry_run and volume.private.is_dir():
        session.make_volume()  # a volume that cannot be written is refused before anything is removed
    with working(reporter, "read", "what no environment needs"):
        rubbish = find_rubbish(volume, keep)
        cache = default_cache_dir(os.environ)
        elsewhere = find_stale_indexes(Path(cache) / "index", keep.younger_than_s) if cache else []
        measured = user_measurements()
        elsewhere += find_stale_measurements(measured, keep.younger_than_s) if measured else []
        elsewhere += find_old_downloads(keep.younger_than_s)
        gone = {item.path for item in rubbish.items}
        wheels: list[CleanItem] = []
        if volume.wheels.is_dir() and any(volume.wheels.iterdir()):
            from envkit.api.wheels import unused_wheels

            wheels = unused_wheels(session, gone, keep.younger_than_s)
        items, kept = [*rubbish.items, *elsewhere, *wheels], list(rubbish.kept)
        # Measure before deleting.
        freed, there = _freed(items), _freed(elsewhere)
    if not dry_run and items:
        reporter.start("clean", f"{len(items)} things")
        with _unlinking(volume, items):
            stay = remove_rubbish(volume, [item for item in items if item not in wheels])
        if wheels:
            from envkit.api.wheels import remove_wheels

            stay += remove_wheels(session, wheels)
        if stay:
            kept += [(Path(item.path).name, Advice(NEEDED_ELSEWHERE)) for item in stay]
            items = [item for item in items if item not in stay]
            freed -= _freed(stay)
            there -= _freed([item for item in stay if item in elsewhere])
        reporter.finish("clean", f"{len(items)} things, {size_words(freed.size_bytes)}")
    if not dry_run:
        sweep_uses(volume)
    return CleanResult(
        volume=str(volume.root),
        items=tuple(items),
        kept=tuple(kept),
        freed_bytes=freed.size_bytes,
        freed_inodes=freed.inodes,
        dry_run=dry_run,
        elsewhere_bytes=there.size_bytes,
    )


@contextlib.contextmanager
def _unlinking(volume: Volume, items: Sequence[CleanItem]) -> Iterator[None]:
    """Note that links to packages go, unless one of these was edited: that would hide it."""
    gone = [known_manifest(Path(item.path)) for item in items if item.kind in {"generation", "orphan"}]
    records = {record.sha256: record for manifest in gone if manifest is not None for record in records_of(manifest)}
    try:
        noted = bool(records) and is_explained(volume, records.values())
    except (OSError, EnvkitError):
        noted = False
    with moving_links(volume) if noted else contextlib.nullcontext():
        yield


def _freed(items: Sequence[CleanItem]) -> Freed:
    return freed_by(Path(item.path) for item in items)

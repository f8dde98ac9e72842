"""clean: give back what nobody needs."""

from __future__ import annotations

from pathlib import Path

from envkit.layout.gc import Keep, find_rubbish, take_away
from envkit.layout.usage import freed_by
from envkit.layout.volume import Volume
from envkit.models.care import CleanResult
from envkit.models.progress import Reporter

__all__ = ["clean"]


def clean(volume: Volume, keep: Keep, *, dry_run: bool, reporter: Reporter) -> CleanResult:
    """Remove superseded generations, unused packages and bytecode, orphans, leftovers and trash.

    Args:
        volume: Which one.
        keep: Which superseded generations stay.
        dry_run: Only say what would go.
        reporter: Hears what goes on.
    """
    rubbish = find_rubbish(volume, keep)
    freed = freed_by(Path(item.path) for item in rubbish.items)
    items, kept = rubbish.items, list(rubbish.kept)
    if not dry_run and items:
        reporter.start("clean", f"{len(items)} things")
        stay = take_away(volume, items)
        if stay:
            kept += [(Path(item.path).name, "another process needs it now") for item in stay]
            items = [item for item in items if item not in stay]
            remaining = freed_by(Path(item.path) for item in stay)
            freed = type(freed)(freed.size_bytes - remaining.size_bytes, freed.inodes - remaining.inodes)
        reporter.finish("clean", f"{len(items)} things, {freed.size_bytes / 1e6:,.1f} MB")
    return CleanResult(
        volume=str(volume.root),
        items=tuple(items),
        kept=tuple(kept),
        freed_bytes=freed.size_bytes,
        freed_inodes=freed.inodes,
        dry_run=dry_run,
    )

"""Rubbish: what runs that died have left behind."""

from __future__ import annotations

import contextlib
import shutil
import time

from envkit.layout import lease
from envkit.layout.generation import MANIFEST, list_generations
from envkit.layout.volume import Volume, discard

__all__ = ["sweep"]

# Where a file system cannot lock, a lease tells nothing; then only age speaks.
_UNLEASED_AGE_S = 24 * 3600


def sweep(volume: Volume) -> int:
    """Remove unfinished generations of dead processes, their downloads and the trash; return how many.

    A generation without a manifest belongs to a run that is going on (its lease is held) or that died.
    """
    removed = 0
    for path in list_generations(volume):
        if (path / MANIFEST).exists() or lease.is_held(volume, path.name):
            continue
        if not lease.can_lock(volume) and _age_s(path) < _UNLEASED_AGE_S:
            continue
        with contextlib.suppress(OSError):
            discard(volume, path)
            removed += 1
    for folder in (volume.trash, volume.packages / ".incoming"):
        if not folder.is_dir():
            continue
        for path in folder.iterdir():
            if folder is not volume.trash and (lease.is_held(volume, path.name) or _age_s(path) < 1):
                continue
            shutil.rmtree(path, ignore_errors=True)
            removed += 1
    return removed


def _age_s(path: object) -> float:
    try:
        return time.time() - path.stat().st_mtime  # type: ignore[attr-defined,no-any-return]
    except OSError:
        return 0.0

"""Trash: directories are renamed before they are deleted, so that no process sees one half gone."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from envkit.layout.volume import Volume


def discard(volume: Volume, path: Path, *, unless: Callable[[], bool] = lambda: False) -> bool:
    """Rename a directory out of sight, then delete it; return whether it is gone.

    `unless` is asked once no process can find the directory any more; if true, it is put back.
    """
    grave = volume.trash / f"{path.name}-{secrets.token_hex(4)}"
    try:
        path.rename(grave)
    except FileNotFoundError:
        return True
    except OSError:
        grave = path  # another file system below the same root: delete it in place
    if grave != path and unless():
        grave.rename(path)
        return False
    shutil.rmtree(grave, onerror=_make_writable)
    return not path.exists()


def _make_writable(function: object, path: str, _: object) -> None:
    """Open the parent and try once more: extracted packages have read-only directories in places."""
    with contextlib.suppress(OSError):
        os.chmod(os.path.dirname(path), 0o755)  # noqa: PTH101, PTH120, S103 - a directory about to be deleted
        function(path)  # type: ignore[operator]

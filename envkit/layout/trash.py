"""Trash: directories are renamed before they are deleted, so that no process sees one half gone."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from envkit.layout.private import folder
from envkit.layout.volume import Volume


def discard(volume: Volume, path: Path, *, unless: Callable[[], bool] = lambda: False) -> bool:
    """Rename a directory of the volume out of sight, then delete it; return whether it is gone.

    `unless` is asked once no process can find the directory any more; if true, it is put back.

    Raises:
        TamperedError: The trash, or the folder that holds the directory, is not envkit's.
    """
    grave = f"{path.name}-{os.urandom(4).hex()}"
    try:
        home = folder(volume.root, path.parent)
    except FileNotFoundError:
        return True
    with home, folder(volume.root, volume.trash) as trash:
        try:
            home.move(path.name, trash, grave)
        except FileNotFoundError:
            return True
        except OSError:  # another file system below the same root: delete it in place
            return home.remove_tree(path.name)
        if unless():
            trash.move(grave, home, path.name)
            return False
        trash.remove_tree(grave)
    return not path.exists()

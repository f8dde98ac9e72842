"""Intruders: links, special files and strangers' folders where envkit keeps its own."""

from __future__ import annotations

import stat
from pathlib import Path

from envkit.errors import TamperedError
from envkit.layout.private import Folder, folder
from envkit.layout.volume import Volume

# The launcher's own links.
_LINKS = frozenset({"self/current"})
_DEEP = frozenset({"pkgs", "pkgs/.incoming", "index"})
_FOUND_AT_MOST = 100


def find_intruders(volume: Volume) -> list[str]:
    """List what envkit did not put into the volume's private folders, with what it is. Nothing is opened but folders.

    Generations and extracted packages hold links of their own; of those, only the folder is looked at.
    """
    found: list[str] = []
    try:
        with folder(volume.root, volume.private) as private:
            _look(volume, private, "", found)
    except FileNotFoundError:
        pass
    except TamperedError as error:
        found.append(_told(error))
    return found


def _look(volume: Volume, here: Folder, below: str, found: list[str]) -> None:
    for name in here.names():
        path = f"{below}{name}"
        if len(found) >= _FOUND_AT_MOST:
            return
        try:
            state = here.state(name)
            if stat.S_ISREG(state.st_mode) or path in _LINKS:
                continue
            if not stat.S_ISDIR(state.st_mode):
                here.enter(name).close()
            elif not below or path in _DEEP or below.rstrip("/") in _DEEP:
                with folder(volume.root, Path(here.path) / name) as inner:
                    _look(volume, inner, f"{path}/", found)
        except TamperedError as error:
            found.append(_told(error))
        except OSError:
            continue  # gone meanwhile, or closed to this user


def _told(error: TamperedError) -> str:
    path, what = error.members["path"], error.members["found"]
    return f"{path} ({what})"

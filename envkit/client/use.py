"""What whoever works in a generation does first: see that it lies where it was made, and say that it is in use.

With the standard library alone: it stands before every job.
"""

from __future__ import annotations

import contextlib
import os
import re

from envkit.errors import VolumeError

__all__ = ["refuse_moved", "share_for_life"]

# The manifest begins with few short fields; its packages, megabytes of them, come last.
_PREFIX = re.compile(rb'"prefix": ("(?:[^"\\]|\\.)*")')
_HEAD_BYTES = 4096


def refuse_moved(prefix: str) -> None:
    """Refuse a generation whose files hold a path where it is not. A link at the old path that leads here will do.

    Raises:
        VolumeError: It was made elsewhere.
    """
    try:
        with open(os.path.join(prefix, ".envkit.json"), "rb") as file:
            found = _PREFIX.search(file.read(_HEAD_BYTES))
    except OSError:
        return  # not a generation, or damaged: others say so
    if found is None:
        return
    import json  # noqa: PLC0415 - only for the path, which may hold anything

    home = json.loads(found[1])
    if home == prefix:
        return
    with contextlib.suppress(OSError):
        if os.path.samefile(home, prefix):
            return
    raise VolumeError(
        f"this environment was made at {home} and is at {prefix} now; its files hold the old path",
        hint="Link its packages anew (seconds): envkit doctor --fix. Or mount the volume where it was, or put a link "
        "there.",
    )


def share_for_life(prefix: str) -> None:
    """Share the lease of a generation until this process, and whatever it becomes by exec, has ended.

    A volume that cannot be written, or cannot lock, keeps no leases. `envkit clean` looks at running processes too.
    """
    folder, generation = os.path.split(prefix)
    private, kind = os.path.split(folder)
    if kind != "g" or os.path.basename(private) != ".envkit":
        return
    import fcntl  # noqa: PLC0415 - POSIX only

    path = os.path.join(private, "leases", generation)
    with contextlib.suppress(OSError):
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                    os.set_inheritable(descriptor, True)  # noqa: FBT003 - its only form
                    return
            os.close(descriptor)  # its last holder removed the file meanwhile

"""What whoever works in a generation does first: say that it is in use.

With the standard library alone: it stands before every job.
"""

from __future__ import annotations

import contextlib
import os

__all__ = ["share_for_life"]


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

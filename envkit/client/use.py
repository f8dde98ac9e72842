"""What whoever works in a generation does first: say that it is in use.

With the standard library alone: it stands before every job.
"""

from __future__ import annotations

import contextlib
import os
import time

from envkit.paths import LEASES, PRIVATE, split_generation

__all__ = ["share_for_life"]

_WAIT_S = 0.5


def share_for_life(prefix: str) -> None:
    """Share the lease of a generation until this process, and whatever it becomes by exec, has ended.

    A volume that cannot be written, or cannot lock, keeps no leases. `envkit clean` looks at running processes too.
    """
    found = split_generation(prefix)
    if found is None:
        return
    import fcntl

    root, generation = found
    path = os.path.join(root, PRIVATE, LEASES, generation)
    deadline = time.monotonic() + _WAIT_S
    with contextlib.suppress(OSError):
        while True:
            descriptor = _open(path)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                # One who looks whether it is in use has it for an instant; one who takes it away keeps it.
                os.close(descriptor)
                if time.monotonic() >= deadline:
                    return
                time.sleep(0.01)
                continue
            except OSError:
                os.close(descriptor)
                return
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                    os.set_inheritable(descriptor, True)  # noqa: FBT003 - its only form
                    return
            os.close(descriptor)  # its last holder removed the file meanwhile


def _open(path: str) -> int:
    """Open the file of a lease, or make it so that other users can share it: `envkit.layout.lease` does the same."""
    try:
        return os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        pass
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        return os.open(path, os.O_RDONLY)
    with contextlib.suppress(OSError):
        os.fchmod(descriptor, 0o666)  # the umask has taken the others' bits
    return descriptor

"""Mark a generation as in use. Runs before every job, so it imports the standard library only."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from envkit.errors import TamperedError
from envkit.paths import LEASES, PRIVATE, split_generation

if TYPE_CHECKING:
    from envkit.layout.private import Folder

_WAIT_S = 0.5


def share_for_life(prefix: str) -> None:
    """Hold the lease of a generation, shared, until this process ends; it survives exec.

    Does nothing on a volume that cannot be written or locked: `envkit clean` looks at running processes too.
    """
    found = split_generation(prefix)
    if found is None:
        return
    import fcntl

    from envkit.layout.private import folder

    root, generation = found
    deadline = time.monotonic() + _WAIT_S
    with contextlib.suppress(OSError, TamperedError), folder(root, os.path.join(root, PRIVATE, LEASES)) as leases:
        while True:
            descriptor = _open(leases, generation)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                # A probe holds the lock briefly, so try again; a remover keeps it.
                os.close(descriptor)
                if time.monotonic() >= deadline:
                    return
                time.sleep(0.01)
                continue
            except OSError:
                os.close(descriptor)
                return
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), leases.state(generation)):
                    os.set_inheritable(descriptor, True)  # noqa: FBT003 - its only form
                    return
            os.close(descriptor)  # unlinked after we opened it: this lock protects nothing


def _open(leases: Folder, generation: str) -> int:
    """Open a lease's file, or create it with permissions for other users, as `envkit.layout.lease` does."""
    try:
        return leases.open_file(generation)
    except FileNotFoundError:
        pass
    try:
        return leases.create(generation, 0o666)
    except FileExistsError:
        return leases.open_file(generation)

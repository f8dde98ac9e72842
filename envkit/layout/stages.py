"""Stage folders: copies of generations on a node's own disk, below a folder of each user.

``DIR/envkit-<uid>`` is a small volume without links. A copy has the name of its generation, and is whole when its
directory has that name: it is made under another one and renamed. DIR may be open to all, as ``/tmp`` is; the folder in
it is its user's own, and copies of nobody else are believed but root's.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from envkit.errors import HeldError, TamperedError, VolumeError
from envkit.layout import lease
from envkit.layout.opening import open_volume
from envkit.layout.private import folder, tampered
from envkit.layout.refusal import cannot_write
from envkit.layout.volume import Volume
from envkit.models.progress import Reporter
from envkit.paths import stage_root

_WAIT_S = 6 * 3600.0
_POLL_S = 0.5
# On a disk without locks: whoever copies touches its claim so often that this much silence means death.
_SILENCE_S = 120.0


def open_stage(place: Path, *, shared: bool) -> Volume:
    """Open this user's stage folder in a directory, or make it.

    Args:
        shared: Whether others may read it: root stages for all users of a node.

    Raises:
        VolumeError: There is no such directory, or it cannot be written.
        TamperedError: The folder is somebody else's.
    """
    root = Path(stage_root(str(place), os.geteuid()))
    try:
        if not place.is_dir():
            place.mkdir()
        _refuse_open(place)
        with contextlib.suppress(FileExistsError):
            root.mkdir(mode=0o700)
            root.chmod(0o755 if shared and os.geteuid() == 0 else 0o700)
    except FileNotFoundError as error:
        raise VolumeError(
            f"{place.parent} is not there, so {place} cannot be made in it",
            hint="Name a directory of this node's disk.",
        ) from error
    except OSError as error:
        raise cannot_write(Volume(place), error) from error
    state = root.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.geteuid() or state.st_mode & 0o022:
        raise tampered(str(root), f"owned by user {state.st_uid}, a link, or open to others")
    return open_volume(root, create=True, named=True)


def _refuse_open(place: Path) -> None:
    mode = place.stat().st_mode
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise VolumeError(
            f"{place} may be written by everybody and is not sticky: anybody could replace what is staged there",
            hint=f"Name another directory, or let its owner set the bit: chmod +t {place}.",
        )


@contextlib.contextmanager
def copying(store: Volume, generation: str, reporter: Reporter) -> Iterator[None]:
    """Be the only process that copies a generation while the block runs; wait for another one that does.

    The lock goes with its holder, so that the next one takes over when it dies. Where the disk has no locks, a claim
    that is touched now and then takes its place.
    """
    what = f"{generation}.copy"
    if lease.can_lock(store):
        with lease.hold(store, what, wait_s=_WAIT_S, reporter=reporter):
            yield
        return
    with _claimed(store, f"{what}.claim"):
        yield


@contextlib.contextmanager
def _claimed(store: Volume, name: str) -> Iterator[None]:
    deadline = time.monotonic() + _WAIT_S
    with folder(store.root, store.leases) as leases:
        while True:
            try:
                os.close(leases.create(name))
                break
            except FileExistsError:
                with contextlib.suppress(FileNotFoundError):
                    if time.time() - leases.state(name).st_mtime > _SILENCE_S:
                        leases.unlink(name)
                        continue
            if time.monotonic() > deadline:
                raise HeldError(f"another process is copying into {store.root}", hint="Wait until it has finished.")
            time.sleep(_POLL_S)
        ended = threading.Event()

        def touch() -> None:
            while not ended.wait(_SILENCE_S / 8):
                with contextlib.suppress(OSError):
                    os.utime(name, dir_fd=leases.descriptor)

        thread = threading.Thread(target=touch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            with contextlib.suppress(OSError):
                leases.unlink(name)


@contextlib.contextmanager
def new_copy(store: Volume, generation: str) -> Iterator[Path]:
    """Make an empty directory for a copy; give it the generation's name when the block ends.

    If another process was faster, where nothing can lock, its copy stays and this one goes.
    """
    part = f".{generation}.{secrets.token_hex(4)}"
    with lease.hold(store, part), folder(store.root, store.generations) as home:
        home.enter(part, new=True).close()
        try:
            yield store.generations / part
            try:
                home.move(part, home, generation)
            except OSError as error:
                if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                    raise
        finally:
            if home.is_there(part):
                home.remove_tree(part)


def remove_parts(store: Volume, generation: str) -> None:
    """Remove what processes that died have left of a generation; the caller is its only copier (`copying`)."""
    if not lease.can_lock(store):
        return
    with contextlib.suppress(TamperedError), folder(store.root, store.generations) as home:
        for name in home.names():
            if name.startswith(f".{generation}.") and not lease.is_held(store, name):
                home.remove_tree(name)

"""Share a volume with a group: group, modes, setgid and sticky bits of everything in it."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator

from envkit.errors import TamperedError, VolumeError
from envkit.layout.opening import read_volume_file
from envkit.layout.private import Folder, folder, folder_mode, inner_bits, shared_bits
from envkit.layout.volume import Volume
from envkit.models.volume import Trust
from envkit.values import replace

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def share_volume(volume: Volume, group: int, *, sticky: bool, trust: Trust) -> int:
    """Open a volume to a group, in which each member may make environments; return how many paths were changed.

    Args:
        group: Number of the group.
        sticky: Whether each member may remove only what is his own.
        trust: Whose packages in the cache each member takes; see `envkit.layout.trust`.

    Raises:
        VolumeError: The volume is another user's, or the group cannot be set.
    """
    described = read_volume_file(volume)
    with folder(volume.root, volume.root) as root:
        state = os.fstat(root.descriptor)
        if os.geteuid() not in {0, state.st_uid}:
            raise VolumeError(
                f"{volume.root} belongs to user {state.st_uid}, who alone can share it",
                hint="Ask them to run this command.",
            )
        mode = stat.S_IMODE(state.st_mode) & ~stat.S_ISVTX | 0o2770 | (stat.S_ISVTX if sticky else 0)
        try:
            os.fchown(root.descriptor, -1, group)
            os.fchmod(root.descriptor, mode)
        except OSError as error:
            raise VolumeError(
                f"{volume.root} cannot be given to group {group}: {error.strerror}",
                hint="Its owner has to be a member of the group.",
            ) from error
    changed = 0
    own = {str(path) for path in volume.folders}
    caches = (f"{volume.packages}/", f"{volume.bytecode}/")
    with folder(volume.root, volume.private) as private:
        os.fchown(private.descriptor, -1, group)
        os.fchmod(private.descriptor, folder_mode(mode) | stat.S_ISGID)
        if described is not None:
            text = replace(described, trust=trust).to_text()
            private.write(volume.volume_file.name, text)
        for here, name, found in _below(private):
            path = f"{here.path}/{name}"
            wanted = _mode_of(found, mode, is_own=path in own)
            if path not in own and trust != "group" and path.startswith(caches):
                wanted &= ~_OTHERS_WRITE  # see `envkit.layout.trust`
            with contextlib.suppress(OSError, TamperedError):  # another user's
                changed += _give(here, name, found, group, wanted)
    return changed


def _mode_of(state: os.stat_result, root_mode: int, *, is_own: bool) -> int:
    """Return the mode that an entry has to have. What is closed to all but its owner stays closed."""
    mode = stat.S_IMODE(state.st_mode)
    if is_own:
        return folder_mode(root_mode) | stat.S_ISGID
    if not mode & 0o077:
        return mode
    shared = shared_bits(root_mode)
    reads = shared & (stat.S_IRGRP | stat.S_IROTH)
    runs = reads >> 2 if mode & stat.S_IXUSR else 0
    if not stat.S_ISDIR(state.st_mode):
        return mode | reads | runs
    return mode & ~_OTHERS_WRITE | reads | runs | inner_bits(root_mode) & _OTHERS_WRITE | stat.S_ISGID


def _give(here: Folder, name: str, state: os.stat_result, group: int, mode: int) -> int:
    if state.st_gid == group and stat.S_IMODE(state.st_mode) == mode:
        return 0
    if state.st_gid != group:
        os.chown(name, -1, group, dir_fd=here.descriptor, follow_symlinks=False)
    if not stat.S_ISLNK(state.st_mode):
        here.set_mode(name, mode)
    return 1


def _below(here: Folder) -> Iterator[tuple[Folder, str, os.stat_result]]:
    """List everything below a folder, each with the open folder that holds it."""
    for name in here.names():
        try:
            state = here.state(name)
        except OSError:
            continue
        yield here, name, state
        if stat.S_ISDIR(state.st_mode):
            with contextlib.suppress(OSError, TamperedError), here.enter(name) as inner:
                yield from _below(inner)

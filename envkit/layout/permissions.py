"""Permissions: what users who share a volume need, what they lack, and how to give it to them.

The mode of the volume's root says who shares it: users who may read it run environments, users who may write it make
and clean them. Nobody may write the files that environments share through hard links.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from envkit.layout.generation import list_generations
from envkit.layout.volume import Volume
from envkit.models.codes.files import OPENED, SEALED
from envkit.models.fact import Fact
from envkit.models.volume import PathsOf, SharingState

_WRITE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


def read_sharing(volume: Volume, packages: Sequence[Path]) -> SharingState:
    """Find what keeps users from working on a volume that its root lets them use."""
    parts = [*list_generations(volume), *_children(volume.packages), *_children(volume.bytecode)]
    return SharingState(
        str(volume.root),
        volume.root.stat().st_mode,
        barred=tuple(str(item.path) for item in [*_barred_folders(volume), *_barred_cache(volume)]),
        writable=tuple(map(str, _writable_in_cache(packages))),
        closed=_owned(path for path in parts if not os.access(path, os.R_OK | os.X_OK)),
        not_removable=_owned(path for path in parts if not os.access(path, os.W_OK | os.X_OK)),
    )


def read_barred(volume: Volume, prefix: Path) -> list[str]:
    """List the files and folders of a generation that are closed to users of the volume."""
    return [str(item.path) for item in _barred_below(volume, prefix)]


def mend_permissions(volume: Volume, packages: Sequence[Path], prefixes: Sequence[Path]) -> list[Fact]:
    """Add missing permissions and take away those that are too many, where this user may; return what was done.

    `prefixes` are the generations to open to users of the volume.
    """
    mended = []
    if opened := _open_up([*_barred_folders(volume), *_barred_cache(volume)]):
        mended.append(Fact(OPENED, count=opened, name=None))
    if sealed := _seal(_writable_in_cache(packages)):
        mended.append(Fact(SEALED, count=sealed))
    counts = {prefix.name: _open_up(_barred_below(volume, prefix)) for prefix in prefixes}
    return mended + [Fact(OPENED, count=n, name=name) for name, n in counts.items() if n]


@dataclass(frozen=True, slots=True)
class _Barred:
    """A path that is closed to users of the volume."""

    path: Path
    lacks: int  # mode bits of group and others
    group: int | None = None  # the group that it should belong to; None if it does


def _barred_folders(volume: Volume) -> list[_Barred]:
    """List folders that are closed to users who may write the volume."""
    try:
        root = volume.root.stat()
    except OSError:
        return []
    found = []
    shared = shared_bits(root.st_mode)
    for folder in volume.folders:
        with contextlib.suppress(OSError):
            state = folder.stat()
            group = root.st_gid if shared & stat.S_IWGRP and state.st_gid != root.st_gid else None
            lacks = shared & ~state.st_mode
            if lacks or group is not None:
                found.append(_Barred(folder, lacks, group))
    return found


def _shared(volume: Volume) -> int:
    """Return the permissions that the volume gives to group and others; none if it is gone."""
    try:
        return shared_bits(volume.root.stat().st_mode)
    except OSError:
        return 0


def _barred_below(volume: Volume, folder: Path) -> list[_Barred]:
    """List what users of the volume cannot read or run in a generation, the folder itself included."""
    return list(_unread(folder, _shared(volume)))


def _barred_cache(volume: Volume) -> list[_Barred]:
    """List what users who may write the volume cannot read in the cache, the locks of the native engine included."""
    shared = _shared(volume)
    if not shared & _WRITE:
        return []
    homes = [*_children(volume.packages), *_children(volume.bytecode)]
    found = [item for home in homes for item in _unread(home, shared)]
    for lock in (lock for home in homes for lock in home.glob("*.lock")):
        with contextlib.suppress(OSError):
            lacks = shared & 0o066 & ~lock.stat().st_mode
            found += [_Barred(lock, lacks)] if lacks else []
    return found


def _unread(folder: Path, shared: int) -> Iterator[_Barred]:
    """List what group or others cannot read or run below a folder, the folder itself included."""
    reads = shared & (stat.S_IRGRP | stat.S_IROTH)
    for path, state in _walk(str(folder)) if reads else ():
        runs = reads >> 2 if state.st_mode & stat.S_IXUSR else 0
        lacks = (reads | runs) & ~state.st_mode
        if lacks and not stat.S_ISLNK(state.st_mode):
            yield _Barred(Path(path), lacks)


def _writable_in_cache(packages: Iterable[Path]) -> list[Path]:
    """List files of cached packages that can be written, and through hard links the same files of environments.

    Files in ``info/`` are not linked into environments.
    """
    found = []
    for package in packages:
        info = f"{package}{os.sep}info{os.sep}"
        for path, state in _walk(str(package)):
            if stat.S_ISREG(state.st_mode) and state.st_mode & _WRITE and not path.startswith(info):
                found.append(Path(path))
    return found


def _open_up(barred: Iterable[_Barred]) -> int:
    """Add missing bits and set the group; return for how many paths that worked. Only an owner may."""
    mended = 0
    for item in barred:
        with contextlib.suppress(OSError):
            if item.group is not None:
                os.chown(item.path, -1, item.group)
            mode = stat.S_IMODE(item.path.stat().st_mode) | item.lacks
            item.path.chmod(mode | (stat.S_ISGID if item.group is not None else 0))
            mended += 1
    return mended


def _seal(files: Iterable[Path]) -> int:
    """Take the write bits away; return from how many files."""
    mended = 0
    for path in files:
        with contextlib.suppress(OSError):
            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~_WRITE)
            mended += 1
    return mended


def _children(folder: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield from (path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith("."))


def _walk(folder: str) -> Iterator[tuple[str, os.stat_result]]:
    """List a folder and everything below it that can be read. There are tens of thousands, so no `Path`."""
    with contextlib.suppress(OSError):
        yield folder, os.lstat(folder)
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from _walk(entry.path)
                else:
                    yield entry.path, entry.stat(follow_symlinks=False)


def owner_of(path: Path) -> str:
    """Name the owner of a path."""
    try:
        return path.owner()
    except KeyError:  # a number without a name, as in containers
        return f"user {path.stat().st_uid}"
    except OSError:
        return "somebody else"


def _owned(paths: Iterable[Path]) -> PathsOf:
    found = list(paths)
    return PathsOf(tuple(map(str, found)), tuple(sorted({owner_of(path) for path in found})))


def shared_bits(mode: int) -> int:
    """Return the permissions that a volume gives to group and others when its root has this mode.

    In a sticky directory, such as ``/tmp``, users write only what is their own.
    """
    return mode & 0o077 & ~(0o022 if mode & stat.S_ISVTX else 0)


def make_shared(path: Path, shared: int) -> None:
    """Make a folder with at least the permissions `shared`, unless it exists."""
    try:
        path.mkdir()
    except FileExistsError:
        return
    mode = stat.S_IMODE(path.stat().st_mode)
    if shared & ~mode:
        path.chmod(mode | shared)


@contextlib.contextmanager
def sharing(volume: Volume) -> Iterator[None]:
    """Set a umask under which files made in the block are open to everybody who shares the volume.

    The umask belongs to the process, so no other thread may be making private files meanwhile.
    """
    shared = shared_bits(volume.root.stat().st_mode)
    before = os.umask(0o077)
    os.umask(before & ~shared)
    try:
        yield
    finally:
        os.umask(before)

"""Permissions: what users who share a volume need, what they lack, and how to give it to them.

The mode of the volume's root says who shares it: users who may read it run environments, users who may write it make
and clean them. Nobody may write the files that environments share through hard links.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from envkit.errors import TamperedError
from envkit.layout import lease
from envkit.layout.generation import list_generations, pointed_to
from envkit.layout.launcher import own_python
from envkit.layout.private import folder, folder_mode, inner_bits, shared_bits
from envkit.layout.trust import guards_caches, trusts_group
from envkit.layout.volume import Volume
from envkit.models.codes.files import OPENED, SEALED, TIGHTENED
from envkit.models.fact import Fact
from envkit.models.volume import PathsOf, SharingState
from envkit.values import dataclass

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_WRITE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


def read_sharing(volume: Volume, packages: Sequence[Path]) -> SharingState:
    """Find what keeps users from working on a volume that its root lets them use, and what lets in others."""
    made = list(list_generations(volume))
    kept = [*_children(volume, volume.packages), *_children(volume, volume.bytecode)]
    named = {volume.generations / generation for generation in pointed_to(volume)} | {own_python(volume)}
    wrong = [*_wrong_folders(volume), *_wrong_cache(volume)]
    return SharingState(
        str(volume.root),
        volume.root.stat().st_mode,
        barred=tuple(str(item.path) for item in wrong if item.lacks or item.group is not None),
        writable=tuple(map(str, _writable_in_cache(packages))),
        closed=_owned(
            # A generation is closed until it is published.
            path
            for path in [*named.intersection(made), *kept]
            if path is not None and not os.access(path, os.R_OK | os.X_OK)
        ),
        not_removable=_owned(
            path
            for path in ([*made] if guards_caches(volume) else [*made, *kept])
            if not os.access(path, os.W_OK | os.X_OK) and not lease.is_held(volume, path.name)
        ),
        trusts_group=trusts_group(volume),
        too_open=tuple(str(item.path) for item in wrong if item.excess),
        foreign_owner=foreign_owner(volume),
    )


def read_barred(volume: Volume, prefix: Path) -> tuple[list[str], list[str]]:
    """List the files and folders of a generation that are closed to users of the volume, and those open to others."""
    wrong = list(_wrong_below(volume, prefix))
    return [str(item.path) for item in wrong if item.lacks], [str(item.path) for item in wrong if item.excess]


def mend_permissions(volume: Volume, packages: Sequence[Path], prefixes: Sequence[Path]) -> list[Fact]:
    """Add missing permissions and take away those that are too many, where this user may; return what was done.

    `prefixes` are the generations to open to users of the volume.
    """
    mended = []
    opened, tightened = _set_right(volume, [*_wrong_folders(volume), *_wrong_cache(volume)])
    if opened:
        mended.append(Fact(OPENED, count=opened, name=None))
    if sealed := _seal(volume, _writable_in_cache(packages)):
        mended.append(Fact(SEALED, count=sealed))
    for prefix in prefixes:
        more, fewer = _set_right(volume, _wrong_below(volume, prefix))
        tightened += fewer
        if more:
            mended.append(Fact(OPENED, count=more, name=prefix.name))
    if tightened:
        mended.append(Fact(TIGHTENED, count=tightened))
    return mended


@dataclass(frozen=True, slots=True)
class _Wrong:
    """A path whose permissions are not those that the volume demands."""

    path: Path
    lacks: int  # mode bits of group and others
    excess: int  # write bits of group and others
    group: int | None = None  # the group that it should belong to; None if it does


def _wrong_folders(volume: Volume) -> list[_Wrong]:
    """List the volume's own folders that are closed to users who may write the volume, or open to others."""
    try:
        root = volume.root.stat()
    except OSError:
        return []
    found = []
    shared = shared_bits(root.st_mode)
    wanted = folder_mode(root.st_mode)
    for place in volume.folders:
        with contextlib.suppress(OSError):
            state = place.lstat()
            if not stat.S_ISDIR(state.st_mode):
                continue  # see `envkit.layout.intruders`
            group = root.st_gid if shared & stat.S_IWGRP and state.st_gid != root.st_gid else None
            lacks, excess = wanted & 0o1077 & ~state.st_mode, _OTHERS_WRITE & state.st_mode & ~shared
            if lacks or excess or group is not None:
                found.append(_Wrong(place, lacks, excess, group))
    return found


def _shared(volume: Volume, bits: Callable[[int], int] = shared_bits) -> int:
    """Return the permissions that the volume gives to group and others; none if it is gone."""
    try:
        return bits(volume.root.stat().st_mode)
    except OSError:
        return 0


def _wrong_below(volume: Volume, place: Path, *, guarded: bool = False) -> Iterator[_Wrong]:
    """List what users of the volume cannot read or run below a folder, and what others may write; itself included.

    In what is guarded, nobody else may write.
    """
    shared = _shared(volume, inner_bits) & ~(_OTHERS_WRITE if guarded else 0)
    reads = shared & (stat.S_IRGRP | stat.S_IROTH)
    for path, state in _walk(str(place)):
        if stat.S_ISLNK(state.st_mode):
            continue
        runs = reads >> 2 if state.st_mode & stat.S_IXUSR else 0
        lacks, excess = (reads | runs) & ~state.st_mode, _OTHERS_WRITE & state.st_mode & ~shared
        if lacks or excess:
            yield _Wrong(Path(path), lacks, excess)


def _wrong_cache(volume: Volume) -> list[_Wrong]:
    """List what users who may write the volume cannot read in the cache, and what others may write."""
    writes = _shared(volume) & _WRITE
    homes = [*_children(volume, volume.packages), *_children(volume, volume.bytecode)]
    guarded = guards_caches(volume)
    found = (item for home in homes for item in _wrong_below(volume, home, guarded=guarded))
    return [item for item in found if writes or item.excess]


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


def _set_right(volume: Volume, wrong: Iterable[_Wrong]) -> tuple[int, int]:
    """Add missing bits, take away those too many and set the group; return how many were opened and tightened.

    Only an owner may, and no link is followed. Where anybody may give another user's file a second name
    (proc(5), fs.protected_hardlinks), a file with several names is opened to nobody.
    """
    opened = tightened = 0
    hard_links_are_safe = _hard_links_are_safe()
    for item in wrong:
        with contextlib.suppress(OSError, TamperedError), folder(volume.root, item.path.parent) as home:
            name = item.path.name
            state = home.state(name)
            if stat.S_ISREG(state.st_mode) and state.st_nlink > 1 and item.lacks and not hard_links_are_safe:
                continue
            if item.group is not None:
                os.chown(name, -1, item.group, dir_fd=home.descriptor, follow_symlinks=False)
            mode = (stat.S_IMODE(home.state(name).st_mode) | item.lacks) & ~item.excess
            home.set_mode(name, mode | (stat.S_ISGID if item.group is not None else 0))
            opened += bool(item.lacks or item.group is not None)
            tightened += bool(item.excess)
    return opened, tightened


def _hard_links_are_safe() -> bool:
    try:
        return Path("/proc/sys/fs/protected_hardlinks").read_text(encoding="ascii").strip() == "1"
    except OSError:
        return False


def _seal(volume: Volume, files: Iterable[Path]) -> int:
    """Take the write bits away; return from how many files."""
    mended = 0
    for path in files:
        with contextlib.suppress(OSError, TamperedError), folder(volume.root, path.parent) as home:
            home.set_mode(path.name, stat.S_IMODE(home.state(path.name).st_mode) & ~_WRITE)
            mended += 1
    return mended


def _children(volume: Volume, place: Path) -> list[Path]:
    try:
        with contextlib.suppress(FileNotFoundError, PermissionError), folder(volume.root, place) as here:
            return [place / name for name in here.names() if not name.startswith(".") and here.is_folder(name)]
    except TamperedError:
        pass  # see `envkit.layout.intruders`
    return []


def _walk(place: str) -> Iterator[tuple[str, os.stat_result]]:
    """List a folder and everything below it that can be read. There are tens of thousands, so no `Path`."""
    with contextlib.suppress(OSError):
        yield place, os.lstat(place)
        with os.scandir(place) as entries:
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


def foreign_owner(volume: Volume) -> str | None:
    """Name the owner of a volume that is not root's, to root: he can run code as its users. None to others."""
    if os.geteuid() != 0 or volume.root.stat().st_uid == 0:
        return None
    return owner_of(volume.root)


def _owned(paths: Iterable[Path]) -> PathsOf:
    found = list(paths)
    return PathsOf(tuple(map(str, found)), tuple(sorted({owner_of(path) for path in found})))


@contextlib.contextmanager
def sharing(volume: Volume) -> Iterator[None]:
    """Set a umask under which files made in the block are open to everybody who shares the volume, and to nobody else.

    The umask belongs to the process, so no other thread may be making private files meanwhile.
    """
    before = os.umask(0o077 & ~inner_bits(volume.root.stat().st_mode))
    try:
        yield
    finally:
        os.umask(before)

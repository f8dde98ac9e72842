"""Permissions: what those who share a volume need, and what is in their way.

The volume's own directory says who shares it: whom it lets in may run what is there, whom it lets write may make and
clean there. Files that environments share through hard links are nobody's to write.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from envkit.layout.generation import list_generations
from envkit.layout.sharing import shared_bits
from envkit.layout.volume import Volume
from envkit.models.report import Finding

__all__ = ["check_readable", "check_sharing", "mend_permissions", "owner_of"]

_WRITE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
_FEW = 3
_MOST = 100


def check_sharing(volume: Volume, packages: Sequence[Path]) -> list[Finding]:
    """Whether those who share the volume can work there, and whether nobody can change what they share."""
    findings = []
    barred = [*_barred_folders(volume), *_barred_cache(volume)]
    if barred:
        mode = stat.filemode(volume.root.stat().st_mode)
        findings.append(
            Finding(
                "permissions",
                "warn",
                "volume-barred",
                f"{volume.root} is open to others ({mode}), but {_names(volume, (item.path for item in barred))} not "
                "in the same way: who may make environments there cannot",
                hint="--fix gives them the rights of the volume's directory; their owner has to run it.",
                data={"paths": [str(item.path) for item in barred[:_MOST]]},
            )
        )
    writable = _writable_in_cache(packages)
    if writable:
        findings.append(
            Finding(
                "permissions",
                "warn",
                "cache-writable",
                f"{len(writable)} files of cached packages can be written, and through them every environment that "
                f"shares them: {_names(volume, writable)}",
                hint="--fix takes the right to write away.",
                data={"paths": [str(path) for path in writable[:_MOST]]},
            )
        )
    closed = [path for path in _parts(volume) if not os.access(path, os.R_OK | os.X_OK)]
    if closed:
        owners = sorted({owner_of(path) for path in closed})
        findings.append(
            Finding(
                "permissions",
                "fail",
                "closed",
                f"{len(closed)} generations and packages belong to {', '.join(owners)} and are closed to you: "
                f"{_names(volume, closed)}",
                "host",
                "Their owners open them: `envkit doctor --fix`.",
                data={"paths": [str(path) for path in closed[:_MOST]]},
            )
        )
    foreign = _not_removable(volume)
    if foreign:
        owners = sorted({owner_of(path) for path in foreign})
        findings.append(
            Finding(
                "permissions",
                "warn",
                "not-removable",
                f"{len(foreign)} generations and packages belong to {', '.join(owners)}, and you may not remove them: "
                f"{_names(volume, foreign)}",
                hint="`envkit clean` leaves them; let their owners run it.",
                data={"paths": [str(path) for path in foreign[:_MOST]]},
            )
        )
    return findings or [Finding("permissions", "pass", None, "those who share the volume can use it")]


def check_readable(volume: Volume, prefix: Path) -> list[Finding]:
    """Whether all whom the volume lets in can read and run an environment."""
    barred = _barred_below(volume, prefix)
    if not barred:
        return []
    text = f"{len(barred)} files and folders are closed to others whom the volume lets in: "
    return [
        Finding(
            "permissions",
            "warn",
            "barred",
            text + _names(volume, (item.path for item in barred)),
            hint="--fix opens them as the volume is; their owner has to run it. Or close the volume: chmod "
            f"go-rwx {volume.root}.",
            data={"paths": [str(item.path) for item in barred[:_MOST]]},
        )
    ]


def mend_permissions(volume: Volume, packages: Sequence[Path], prefixes: Sequence[Path]) -> list[str]:
    """Give the rights that lack and take those that are too many, where this user may; say what was done.

    Args:
        volume: Which one.
        packages: The directories of cached packages.
        prefixes: Generations to open to those whom the volume lets in.
    """
    mended = []
    if opened := _open_up([*_barred_folders(volume), *_barred_cache(volume)]):
        mended.append(f"opened {opened} files and folders of the volume to those who share it")
    if sealed := _seal(_writable_in_cache(packages)):
        mended.append(f"took the right to write {sealed} files of cached packages away")
    counts = {prefix.name: _open_up(_barred_below(volume, prefix)) for prefix in prefixes}
    mended += [
        f"opened {n} files and folders of {name} to those who share the volume" for name, n in counts.items() if n
    ]
    return mended


@dataclass(frozen=True, slots=True)
class _Barred:
    """A path that keeps those out whom the volume lets in.

    Attributes:
        path: Which one.
        lacks: The mode bits of group and others that it lacks.
        group: The group that it should belong to; None where that is right.
    """

    path: Path
    lacks: int
    group: int | None = None


def _barred_folders(volume: Volume) -> list[_Barred]:
    """Folders of the volume in which those who may write the volume may not write, or that they may not enter."""
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


def _barred_below(volume: Volume, folder: Path) -> list[_Barred]:
    """What below a generation cannot be read or run by those whom the volume lets in; the folder itself among it."""
    try:
        return list(_unread(folder, shared_bits(volume.root.stat().st_mode)))
    except OSError:
        return []


def _barred_cache(volume: Volume) -> list[_Barred]:
    """What of the cache those who may make environments cannot read, and the locks of the native engine among it."""
    try:
        shared = shared_bits(volume.root.stat().st_mode)
    except OSError:
        return []
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
    """What below a folder, itself included, lacks the rights to read and to run that group or others should have."""
    reads = shared & (stat.S_IRGRP | stat.S_IROTH)
    for path, state in _walk(str(folder)) if reads else ():
        runs = reads >> 2 if state.st_mode & stat.S_IXUSR else 0
        lacks = (reads | runs) & ~state.st_mode
        if lacks and not stat.S_ISLNK(state.st_mode):
            yield _Barred(Path(path), lacks)


def _writable_in_cache(packages: Iterable[Path]) -> list[Path]:
    """Files of cached packages that can be written, and with them the same files of every environment.

    What lies in ``info/`` is not linked into environments.
    """
    found = []
    for package in packages:
        info = f"{package}{os.sep}info{os.sep}"
        for path, state in _walk(str(package)):
            if stat.S_ISREG(state.st_mode) and state.st_mode & _WRITE and not path.startswith(info):
                found.append(Path(path))
    return found


def _not_removable(volume: Volume) -> list[Path]:
    """Generations, packages and bytecode that this user cannot remove: somebody else's, who lets nobody write them."""
    return [path for path in _parts(volume) if not os.access(path, os.W_OK | os.X_OK)]


def _parts(volume: Volume) -> list[Path]:
    return [*list_generations(volume), *_children(volume.packages), *_children(volume.bytecode)]


def _open_up(barred: Iterable[_Barred]) -> int:
    """Give what is barred the bits and the group that it lacks; say how much could be mended. Only an owner may."""
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
    """Take the right to write; say from how many."""
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
    """A folder and everything below it; what cannot be looked into is passed over. Tens of thousands, so no `Path`."""
    with contextlib.suppress(OSError):
        yield folder, os.lstat(folder)
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from _walk(entry.path)
                else:
                    yield entry.path, entry.stat(follow_symlinks=False)


def _names(volume: Volume, paths: Iterable[Path]) -> str:
    """The first few paths, below the volume."""
    names = [str(path.relative_to(volume.root)) for path in paths]
    return ", ".join(names[:_FEW]) + (f" and {len(names) - _FEW} more" if len(names) > _FEW else "")


def owner_of(path: Path) -> str:
    """Whose it is, in words."""
    try:
        return path.owner()
    except KeyError:  # a number without a name, as in containers
        return f"user {path.stat().st_uid}"
    except OSError:
        return "somebody else"

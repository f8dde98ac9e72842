"""The sayings of findings about files, volumes and permissions."""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from envkit.models.codes import files as codes
from envkit.models.installed import WrongFile
from envkit.words.values import host_words, join, plural

_SHOWN = 3
_SHOWN_ADDED = 5


def _some(values: Sequence[object], between: str = ", ") -> str:
    return join(values, between, most=_SHOWN)


def _fault(file: WrongFile) -> str:
    said = {
        "missing": "is missing",
        "closed": "cannot be read by anybody",
        "unreadable": f"cannot be read: {file.error}",
        "size": f"has {file.size_bytes} bytes, not {file.expected_bytes}",
        "sha256": "was changed: its sha256 is another",
        "certificates": "has more certificates",
    }[file.fault]
    return f"{file.path} ({file.package}) {said}"


def _damaged(wrong: Sequence[str], count: int) -> str:
    more = f"; and {count - _SHOWN} more" if count > _SHOWN else ""
    return f"{'1 file differs' if count == 1 else f'{count} files differ'}: {join(wrong[:_SHOWN], '; ')}{more}"


def _cached(wrong: Sequence[str], packages: int) -> str:
    return f"{len(wrong)} of {packages} cached packages: {join(wrong[:_SHOWN], '; ')}"


def _differ(added: Sequence[str], gone: Sequence[str]) -> str:
    parts = [f"added by another tool: {join(added[:_SHOWN])}"] if added else []
    return join([*parts, *([f"taken away: {join(gone[:_SHOWN])}"] if gone else [])], "; ")


def _moved(made_at: str | None, root: str | None = None) -> str:
    if root is not None:
        return f"the volume was made at {made_at} and is at {root} now; its environments hold the old path"
    return f"it was made {f'at {made_at}' if made_at else 'elsewhere'}: its files hold that path"


def _volume_barred(root: str, mode: int, paths: Sequence[str]) -> str:
    return f"{root} is open to others ({stat.filemode(mode)}), these folders are not: {_some(paths)}"


def _host_changed(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    return f"validated on another kind of host ({host_words(there)}); here {host_words(here)}"


def _shared_trust(mode: int, *, trusted: bool) -> str:
    cached = "used by all" if trusted else "fetched again by each of the others"
    return (
        f"its group may write it ({stat.filemode(mode)}), and so run code as those who use it; packages that a member "
        f"put into the cache are {cached}"
    )


FILES: dict[str, str | Callable[..., str]] = {
    codes.ADDED_BY_HAND: lambda found: f"installed besides the packages: {join(found, most=_SHOWN_ADDED)}",
    codes.BAD_MANIFEST: "{error}",
    codes.PROFILES_BROKEN: "{error}",
    codes.PROFILES_LOST: "{generation} has lost the rule by which machines choose their profile",
    codes.BAD_RECORD: "conda-meta/{record} cannot be read: {error}",
    codes.BARRED: lambda paths: f"{len(paths)} files and folders are closed to users of the volume: {_some(paths)}",
    codes.BYTECODE_DAMAGED: lambda packages: (
        f"{plural(len(packages), 'package')} would go without bytecode, or a part of it: "
        f"{join(packages, most=_SHOWN_ADDED)}"
    ),
    codes.BYTECODE_MENDED: lambda count: f"{plural(count, 'package')} will get bytecode again, in the next environment",
    codes.CACHE_DAMAGED: _cached,
    codes.CACHE_MENDED: lambda package, fetched: (
        f"took {package} out of the cache{' and fetched it again' if fetched else ''}"
    ),
    codes.CACHE_SOUND: lambda packages, full: (
        f"{packages} cached packages ({'every file by sha256' if full else 'present'})"
    ),
    codes.CACHE_WRITABLE: lambda paths: (
        f"{len(paths)} files of cached packages can be written, and through them every environment that shares them: "
        f"{_some(paths)}"
    ),
    codes.CERTIFICATES_ADDED: lambda paths: f"certificates were added to {_some(paths)}",
    codes.CLOSED: lambda paths, owners: (
        f"{'1 directory belongs' if len(paths) == 1 else f'{len(paths)} directories belong'} to {join(owners)} and "
        f"cannot be read by you: {_some(paths)}"
    ),
    codes.DISTRIBUTIONS_SOUND: "{count} distributions, their files as recorded",
    codes.FAULT: _fault,
    codes.DUPLICATE_RECORDS: "conda-meta holds more than one record of {names}",
    codes.FILES_DAMAGED: _damaged,
    codes.FILES_SOUND: lambda files, full: (
        f"{files} files are as they were installed ({'by sha256' if full else 'by size and time'})"
    ),
    codes.PACK_DAMAGED: lambda file, fault: f"only a pack of it is kept, and {file} {fault}",
    codes.PACK_SOUND: lambda file, full: (
        f"only a pack of it is kept: {file} has the {'sha256' if full else 'size'} that it was written with"
    ),
    codes.GONE: "the link points to {generation}, which is gone",
    codes.HOST_CHANGED: _host_changed,
    codes.HOST_VALIDATED: "validated {name} on this kind of host: {verdict}",
    codes.LEFTOVERS_REMOVED: "removed {count} leftovers of runs that died",
    codes.LINKED_ANEW: "linked {name} anew ({generation})",
    codes.MOVED: _moved,
    codes.NOT_AN_ENVIRONMENT: "{prefix} is neither a conda environment nor a virtual one",
    codes.NOT_REMOVABLE: lambda paths, owners: (
        f"{len(paths)} generations and packages belong to {join(owners)}, and you may not remove them: {_some(paths)}"
    ),
    codes.ROOT_ON_OTHERS: "you are root, and {root} belongs to {owner}, who can run code as its users",
    codes.OPEN_TO_ALL: "everybody on the system may write {root}, and so run code as those who use it",
    codes.OPENED: lambda count, name: (
        f"opened {count} files and folders of {name or 'the volume'} to those who share it"
    ),
    codes.PACKAGES_MATCH: lambda count: f"{plural(count, 'package')}, as in the manifest",
    codes.PLACE_KEPT: "it lies where it was made",
    codes.RECORDS_DIFFER: _differ,
    codes.SEALED: "took the right to write {count} files of cached packages away",
    codes.SHARED_TRUST: _shared_trust,
    codes.SHARING_WORKS: "those who share the volume can use it",
    codes.TAMPERED: lambda paths: f"not what envkit put there: {_some(paths)}",
    codes.TIGHTENED: "took the right to write {count} files and folders away from users whom the volume keeps out",
    codes.TOO_OPEN: lambda paths, root: (
        f"{len(paths)} files and folders can be written by users who may not write {root}: {_some(paths)}"
    ),
    codes.UNFINISHED: lambda names: f"{len(names)} unfinished generations of runs that died: {join(names[:_SHOWN])}",
    codes.VALIDATED: lambda verdict, created: f"validated on a host like this one: {verdict}, {created[:10]}",
    codes.VALIDATION_FAILED: lambda created: f"validated on a host like this one: fail, {created[:10]}",
    codes.VENV_PYTHON: "a virtual environment of {python}",
    codes.VOLUME_BARRED: _volume_barred,
    codes.VOLUME_DESCRIBED: "the volume is described as being at {root}",
    codes.VOLUME_FILE: ".envkit/volume.json is missing or cannot be read",
    codes.VOLUME_FOUND: "volume {id}, at {root}",
}

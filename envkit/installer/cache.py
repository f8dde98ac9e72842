"""The package cache of a volume: extracted packages by the sha256 of their archive.

Each package is alone in ``pkgs/<sha256>/<name>-<version>-<build>/``. One rename puts it there, after its archive was
verified and its paths checked, so an entry is always complete. Nothing is ever replaced, so two processes, or two
channels with a file of the same name, cannot disturb each other. To py-rattler, each directory is its own cache.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from envkit.builds.record import record_from_repodata
from envkit.checks.package import check_record
from envkit.errors import IntegrityError
from envkit.layout import lease
from envkit.layout.private import Folder, folder, read_file
from envkit.layout.trust import open_kept, own_name
from envkit.layout.volume import Volume
from envkit.models.build import Record
from envkit.models.channel import redact

# Members of a package's own index, with the types that the native engine requires.
_TOLD: Mapping[str, type | tuple[type, ...]] = {
    "build_number": int,
    "depends": list,
    "constrains": list,
    "track_features": (str, list),
    "features": str,
    "noarch": str,
    "license": str,
    "license_family": str,
    "timestamp": int,
    "python_site_packages_path": str,
}
_UNLEASED_AGE_S = 24 * 3600  # without locks, only age tells that a run is dead


def key(record: Record) -> str:
    """Return the cache key of a record: its sha256, or its md5 for old indexes.

    Every path made from a record goes through this function, which therefore rejects hostile records.

    Raises:
        IntegrityError: The index has neither, or a field that names files would lead elsewhere.
    """
    fault = check_record(record)
    if fault is not None:
        raise IntegrityError(
            f"a record of {redact(record.channel) or 'no channel'} is refused: {fault}",
            hint="Such a record would write outside the volume. Nothing of it was installed; tell the channel's "
            "maintainers, or use another channel.",
        )
    if record.sha256:
        return record.sha256.lower()
    md5 = record.raw.get("md5")
    if isinstance(md5, str) and md5:
        return f"md5-{md5.lower()}"
    raise IntegrityError(
        f"the index of {record.channel} gives no sha256 and no md5 for {record.fn}",
        hint="envkit installs nothing that it cannot verify. Index the channel again, or use another.",
    )


def package_dir(volume: Volume, record: Record) -> Path:
    """Return the directory of an extracted package, cached or not."""
    return volume.packages / home_name(volume, record) / f"{record.name}-{record.version}-{record.build}"


def home_name(volume: Volume, record: Record) -> str:
    """Return the name of the folder of a package: its key, or this user's own where a stranger has put that there."""
    return own_name(volume, volume.packages, key(record))


def open_package(volume: Volume, record: Record) -> Folder:
    """Open the directory of a package.

    Raises:
        TamperedError: It is a stranger's, or others may change it.
        FileNotFoundError: It is not cached.
    """
    target = package_dir(volume, record)
    home = open_kept(volume, volume.packages, target.parent.name)
    with home:
        return home.enter(target.name)


def cached(volume: Volume, record: Record) -> bool:
    """Return whether the package is in the cache."""
    return (package_dir(volume, record) / "info" / "index.json").is_file()


def read_index(volume: Volume, record: Record) -> Record:
    """Return the record of a cached package, completed with the dependencies in its ``info/index.json``.

    Name, place and digest stay those of the record: a package must not pass for another.

    Raises:
        IntegrityError: The index of the package cannot be read.
    """
    try:
        index = json.loads(read_file(package_dir(volume, record) / "info" / "index.json"))
        told = {field: value for field, kind in _TOLD.items() if isinstance(value := index.get(field), kind)}
    except (AttributeError, ValueError, RecursionError) as error:
        raise IntegrityError(
            f"what {record.fn} says of itself cannot be read",
            hint="The package is broken at its origin. Tell its maintainers, or choose another build.",
        ) from error
    own = {"name": record.name, "version": record.version, "build": record.build, "subdir": record.subdir}
    raw = {"build_number": 0, "depends": [], **told, **own, **record.raw}
    return record_from_repodata(raw, record.fn, record.channel, record.subdir)


@contextlib.contextmanager
def incoming(volume: Volume) -> Iterator[Folder]:
    """Yield a new directory for the downloads of one run and remove it; an interrupted run leaves it to `adopt`.

    The lease is taken first, so a directory without a holder always belongs to a dead run.
    """
    name = f"fetch-{os.urandom(4).hex()}"
    with (
        folder(volume.root, volume.incoming, make=True) as home,
        lease.hold(volume, name),
        # Closed to others: an archive must not change between its verification and its extraction.
        home.enter(name, new=True, mode=0o700) as mine,
    ):
        try:
            yield mine
        finally:
            home.remove_tree(name)


def archive_name(record: Record) -> str:
    """Return the name by which a run downloads the archive of a record."""
    return key(record) + (".tar.bz2" if record.fn.endswith(".tar.bz2") else ".conda")


def adopt(volume: Volume, records: Sequence[Record], mine: Folder) -> int:
    """Move the archives of interrupted runs, complete or not, into the folder of this one; return how many.

    A rename gives each to one taker. They are verified before use, like every archive. The rest of those runs is
    removed. Only this user's own are taken: another may write his after they were verified.
    """
    adopted = 0
    with folder(volume.root, volume.incoming) as home:
        for name in home.names():
            if mine.path.endswith(f"/{name}") or lease.is_held(volume, name) or not home.is_folder(name):
                continue
            with home.enter(name) as dead:
                state = os.fstat(dead.descriptor)
                if not lease.can_lock(volume) and time.time() - state.st_mtime < _UNLEASED_AGE_S:
                    continue
                if state.st_uid == os.geteuid():
                    adopted += sum(_take(dead, archive_name(record), mine) for record in records)
            home.remove_tree(name)
    return adopted


def _take(dead: Folder, name: str, mine: Folder) -> bool:
    try:
        state = dead.state(name)
        if not stat.S_ISREG(state.st_mode) or state.st_nlink != 1 or state.st_uid != os.geteuid():
            return False
        dead.move(name, mine, name)
        mine.set_mode(name, 0o600)
    except OSError:
        return False
    return True


def walk(root: str | Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield each file and link below `root` with its path, separated by ``/``, without ``info/``."""
    stack = [(Path(root), "")]
    while stack:
        place, prefix = stack.pop()
        with os.scandir(place) as entries:
            for entry in entries:
                name = prefix + entry.name
                if entry.is_dir(follow_symlinks=False):
                    if name != "info":
                        stack.append((Path(entry.path), name + "/"))
                else:
                    yield name, entry

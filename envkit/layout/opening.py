"""Opening a volume, and making, probing and describing a new one."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from envkit.errors import VolumeError
from envkit.layout.private import folder
from envkit.layout.refusal import cannot_write, not_own
from envkit.layout.volume import Volume
from envkit.paths import is_plain

if TYPE_CHECKING:
    from envkit.models.manifest import VolumeFile

# conda packages bake the prefix into a placeholder of 255 bytes (conda-build, PREFIX_LENGTH).
_PREFIX_LENGTH = 255


def open_volume(root: Path, *, create: bool, named: bool = True) -> Volume:
    """Open the volume at `root`, or make it if `create` is set.

    Args:
        root: An absolute path. It is part of every environment's identity and is kept as written.
        create: Whether a new volume may be made.
        named: Whether somebody named the directory. Then its parent must exist: a missing one usually means a missing
            mount, and making it would fill the disk below.

    Raises:
        VolumeError: There is no such directory, it cannot be written, or it cannot carry an environment.
    """
    volume = Volume(Path(os.path.abspath(root)))  # noqa: PTH100 - resolve() would replace the mount path by its target
    if not is_plain(str(volume.root)):
        raise VolumeError(
            f"the path of the volume holds control characters: {str(volume.root)!a}",
            hint="It goes into scripts and their first lines; choose a plain name.",
        )
    longest = len(os.fsencode(volume.generations / ("x" * 40)))
    if longest > _PREFIX_LENGTH:
        raise VolumeError(
            f"the path of the volume is too long: {volume.root}",
            hint=f"Packages hold at most {_PREFIX_LENGTH} bytes of path; choose a directory nearer to the root.",
        )
    if not create:
        if not volume.root.is_dir():
            raise VolumeError(
                f"there is no volume at {volume.root}",
                hint="Is it mounted? Give the directory with --persist DIR, or make an environment there first."
                if named
                else "The first `envkit create` makes it. One that is elsewhere: --persist DIR, or CONDA_ENVS_PATH.",
            )
        return volume
    from envkit.layout.launcher import write_entry_script

    check_writable(volume, named=named)
    try:
        volume.root.mkdir(parents=not named, exist_ok=True)
        for path in volume.folders:
            folder(volume.root, path, make=True).close()
        if not volume.volume_file.exists():
            probe_volume(volume)
        write_entry_script(volume)
    except OSError as error:
        raise cannot_write(volume, error) from error
    return volume


def check_writable(volume: Volume, *, named: bool = True) -> None:
    """Refuse a volume that cannot be made or written; see `open_volume`. Nothing is changed."""
    if volume.root.parent == volume.root:
        raise VolumeError(
            f"the volume cannot be {volume.root}, the root directory itself",
            hint="Choose a directory in it, such as /data/envs.",
        )
    if volume.root.exists() and not volume.root.is_dir():
        raise VolumeError(f"not a directory: {volume.root}", hint="Give a directory with --persist DIR.")
    above = volume.root.parent
    if not named:
        above = next(path for path in volume.root.parents if path.is_dir())
    elif not above.is_dir():
        raise VolumeError(
            f"{volume.root.parent} is not there, so {volume.root} cannot be made in it",
            hint="Is the volume mounted? envkit makes the last directory of --persist DIR, never the mount point.",
        )
    place = volume.root if volume.root.is_dir() else above
    if os.statvfs(place).f_flag & os.ST_RDONLY:
        raise cannot_write(volume, OSError(errno.EROFS, os.strerror(errno.EROFS)))
    if not named and place == above and not os.access(place, os.W_OK | os.X_OK):
        raise VolumeError(
            f"no volume is named, and the default one, {volume.root}, cannot be made: {place} takes no writes of this "
            "user",
            hint="Name a directory with --persist DIR or CONDA_ENVS_PATH.",
        )
    if not os.access(place, os.W_OK | os.X_OK):
        raise cannot_write(volume, OSError(errno.EACCES, os.strerror(errno.EACCES)))


def check_own(volume: Volume, name: str) -> None:
    """Refuse to change an environment of another member on a sticky volume, before anything is made."""
    user, root = os.geteuid(), volume.root.stat()
    owner = os.lstat(volume.link(name)).st_uid
    if root.st_mode & stat.S_ISVTX and user not in {0, owner, root.st_uid}:
        raise not_own(volume, owner)


def probe_volume(volume: Volume) -> None:
    """Probe the file system and write down what it can do and where the volume is. Its id stays."""
    import datetime

    from envkit.layout.filesystem import missing_abilities, probe_abilities, read_mount
    from envkit.models.channel import redact
    from envkit.models.manifest import VolumeFile

    mount = read_mount(volume.root)
    if mount.object_store:
        raise VolumeError(
            f"{volume.root} is an object store shown as files ({mount.fs_type}): it has no links and no atomic rename",
            hint="Use a block device or a network file system (NFS, Lustre); object stores are for data.",
        )
    able = probe_abilities(volume.private)
    missing = missing_abilities(able)
    if missing:
        raise VolumeError(
            f"the file system at {volume.root} ({mount.fs_type or 'unknown'}) cannot carry an environment: it lacks "
            f"{', '.join(missing)}",
            hint="Use a volume with POSIX semantics (a block device or NFS), not an object store or a noexec mount.",
        )
    known = read_volume_file(volume)
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    content = VolumeFile(
        id=known.id if known else os.urandom(8).hex(),
        mounted_at=str(volume.root),
        created=known.created if known else now,
        probed=now,
        capabilities=able,
        trust=known.trust if known else "owner",
        file_system={"type": mount.fs_type, "mount_point": mount.point, "source": redact(mount.source)},
    )
    with folder(volume.root, volume.private) as private:
        private.write(volume.volume_file.name, content.to_text())


def read_volume_file(volume: Volume) -> VolumeFile | None:
    """Read the description of the volume; None if it is missing or broken."""
    from envkit.models.manifest import VolumeFile

    try:
        with folder(volume.root, volume.private) as private:
            return VolumeFile.parse(private.read(volume.volume_file.name))
    except (OSError, ValueError):
        return None

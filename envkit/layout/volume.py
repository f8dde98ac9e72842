"""A volume: the persistent root that holds environments, their generations and the package cache."""

from __future__ import annotations

import contextlib
import datetime
import errno
import json
import os
import re
import secrets
import shlex
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from envkit.checks.quota import tightest
from envkit.errors import NoSpaceError, UsageError, VolumeError
from envkit.layout.filesystem import missing_abilities, probe_abilities, read_mount
from envkit.layout.quota import read_quotas
from envkit.models.channel import redact
from envkit.models.manifest import VolumeFile
from envkit.paths import is_plain

__all__ = [
    "Space",
    "Volume",
    "cannot_write",
    "check_name",
    "check_writable",
    "no_space",
    "open_volume",
    "shared_bits",
    "sharing",
    "what_is_full",
    "write_atomic",
    "writing",
]

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}\Z")
# conda's own names for the installation itself, and names that would hide our files.
_RESERVED = {"base", "root", "env.sh"}
# conda packages bake the prefix into a placeholder of 255 bytes (conda-build, PREFIX_LENGTH).
PREFIX_LENGTH = 255


@dataclass(frozen=True, slots=True)
class Space:
    """What is free for an ordinary user.

    Attributes:
        free_bytes: What file system and quotas leave.
        free_inodes: The same in inodes; None where nobody counts them.
        quota: Whose quota leaves less than the file system, such as ``user 1000``; None where none does.
    """

    free_bytes: int
    free_inodes: int | None
    quota: str | None = None

    @property
    def within(self) -> str:
        """What limits it, in words to follow "free"; nothing where it is the file system."""
        return f" within the quota of {self.quota}" if self.quota else ""


@dataclass(frozen=True, slots=True)
class Volume:
    """Paths of a volume. Making the value touches nothing."""

    root: Path

    @property
    def private(self) -> Path:
        """Everything that is not an environment's link."""
        return self.root / ".envkit"

    @property
    def generations(self) -> Path:
        """Installed prefixes."""
        return self.private / "g"

    @property
    def packages(self) -> Path:
        """Extracted packages by sha256."""
        return self.private / "pkgs"

    @property
    def incoming(self) -> Path:
        """Downloads of runs that are going on, or that died."""
        return self.packages / ".incoming"

    @property
    def bytecode(self) -> Path:
        """Compiled Python by package sha256 and Python tag."""
        return self.private / "pyc"

    @property
    def index(self) -> Path:
        """Channel indexes."""
        return self.private / "index"

    @property
    def validations(self) -> Path:
        """Outcomes of validations by generation and fingerprint."""
        return self.private / "validations"

    @property
    def leases(self) -> Path:
        """Locks that save work; nothing is wrong without them."""
        return self.private / "leases"

    @property
    def binaries(self) -> Path:
        """The launcher that ``env.sh`` puts on PATH."""
        return self.private / "bin"

    @property
    def own(self) -> Path:
        """The copy of envkit itself that `bootstrap` puts there."""
        return self.private / "self"

    @property
    def entry_script(self) -> Path:
        """What an entrypoint sources."""
        return self.root / "env.sh"

    @property
    def trash(self) -> Path:
        """What is being deleted."""
        return self.private / "trash"

    @property
    def volume_file(self) -> Path:
        """The description of the volume."""
        return self.private / "volume.json"

    @property
    def folders(self) -> tuple[Path, ...]:
        """What `open_volume` makes below the root, in this order."""
        return (
            self.private,
            self.generations,
            self.packages,
            self.incoming,
            self.bytecode,
            self.index,
            self.validations,
            self.leases,
            self.trash,
            self.own,
        )

    def link(self, name: str) -> Path:
        """The link that is the environment `name`."""
        return self.root / check_name(name)

    def space(self) -> Space:
        """What is free now, for this user."""
        state = os.statvfs(self.root)
        free_inodes = state.f_favail if state.f_files else None
        return Space(*tightest(state.f_bavail * state.f_frsize, free_inodes, read_quotas(self.root), time.time()))


def check_name(name: str) -> str:
    """Return `name` when it can be an environment's name.

    Raises:
        UsageError: It is reserved, or would not be one plain file name.
    """
    if name in _RESERVED:
        raise UsageError(f"an environment cannot be called {name!r}", hint="Choose another name with -n NAME.")
    if not _NAME.match(name):
        raise UsageError(
            f"not a name for an environment: {name!r}",
            hint="Use letters, digits, '.', '_' and '-', starting with a letter or digit, at most 100 of them.",
        )
    return name


def open_volume(root: Path, *, create: bool) -> Volume:
    """Open the volume at `root`; make it when `create` says so.

    Args:
        root: An absolute path. It is part of every environment's identity and is kept as it is written.
        create: Whether a new volume may be made. The parent directory must be there: a missing one is most often
            a mount that is missing, and making it would fill the disk below.

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
    if longest > PREFIX_LENGTH:
        raise VolumeError(
            f"the path of the volume is too long: {volume.root}",
            hint=f"Packages hold at most {PREFIX_LENGTH} bytes of path; choose a directory nearer to the root.",
        )
    if not create:
        if not volume.root.is_dir():
            raise VolumeError(
                f"there is no volume at {volume.root}",
                hint="Is it mounted? Give the directory with --persist DIR, or make an environment there first.",
            )
        return volume
    check_writable(volume)
    try:
        volume.root.mkdir(exist_ok=True)
        shared = shared_bits(volume.root.stat().st_mode)
        for path in volume.folders:
            _make_shared(path, shared)
        if not volume.volume_file.exists():
            _initialise(volume)
        write_entry_script(volume)
    except OSError as error:
        raise cannot_write(volume, error) from error
    return volume


def shared_bits(mode: int) -> int:
    """Which rights a directory of this mode gives to group and others, and with them a volume of this mode.

    In a sticky directory, such as ``/tmp``, everybody keeps to what is his own.
    """
    return mode & 0o077 & ~(0o022 if mode & stat.S_ISVTX else 0)


def _make_shared(path: Path, shared: int) -> None:
    """Make a folder, for all who share the volume: the umask of its first user says nothing of the others."""
    try:
        path.mkdir()
    except FileExistsError:
        return
    mode = stat.S_IMODE(path.stat().st_mode)
    if shared & ~mode:
        path.chmod(mode | shared)


def check_writable(volume: Volume) -> None:
    """Refuse a volume that cannot be made or written, without touching it.

    Raises:
        VolumeError: It cannot; the message says why.
    """
    if volume.root.exists() and not volume.root.is_dir():
        raise VolumeError(f"not a directory: {volume.root}", hint="Give a directory with --persist DIR.")
    if not volume.root.parent.is_dir():
        raise VolumeError(
            f"{volume.root.parent} is not there, so {volume.root} cannot be made in it",
            hint="Is the volume mounted? envkit makes the last directory of --persist DIR, never the mount point.",
        )
    place = volume.root if volume.root.is_dir() else volume.root.parent
    if os.statvfs(place).f_flag & os.ST_RDONLY:
        raise cannot_write(volume, OSError(errno.EROFS, os.strerror(errno.EROFS)))
    if not os.access(place, os.W_OK | os.X_OK):
        raise cannot_write(volume, OSError(errno.EACCES, os.strerror(errno.EACCES)))


def _initialise(volume: Volume) -> None:
    """Probe what the file system can do, refuse what cannot carry an environment, and remember it.

    Raises:
        VolumeError: The file system cannot carry an environment.
    """
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
        id=known.id if known else secrets.token_hex(8),
        mounted_at=str(volume.root),
        created=known.created if known else now,
        probed=now,
        capabilities=able,
        file_system={"type": mount.fs_type, "mount_point": mount.point, "source": redact(mount.source)},
    )
    write_atomic(volume.volume_file, content.model_dump_json(indent=1))


def restate(volume: Volume) -> None:
    """Probe again, and describe the volume as being where it is now. It stays the same volume.

    Raises:
        VolumeError: The file system cannot carry an environment.
    """
    _initialise(volume)


# Sourced by any POSIX shell, any number of times. What is there already stays, behind the volume's own.
_ENTRY_SCRIPT = """\
# Written by envkit. Source it where a shell or a container starts: . VOLUME/env.sh
_envkit={root}
case ":${{CONDA_ENVS_PATH:-}}:" in *":$_envkit:"*) ;; *) CONDA_ENVS_PATH="$_envkit${{CONDA_ENVS_PATH:+:$CONDA_ENVS_PATH}}" ;; esac
case ":$PATH:" in *":$_envkit/.envkit/bin:"*) ;; *) PATH="$_envkit/.envkit/bin:$PATH" ;; esac
case ":${{JUPYTER_PATH:-}}:" in *":$_envkit/.envkit/jupyter:"*) ;; *) JUPYTER_PATH="$_envkit/.envkit/jupyter${{JUPYTER_PATH:+:$JUPYTER_PATH}}" ;; esac
export CONDA_ENVS_PATH PATH JUPYTER_PATH
unset _envkit
"""  # noqa: E501 - one case for each variable


def write_entry_script(volume: Volume) -> None:
    """Write ``env.sh``, unless it is there as it should be."""
    text = _ENTRY_SCRIPT.format(root=shlex.quote(str(volume.root)))
    try:
        if volume.entry_script.read_text(encoding="utf-8") == text:
            return
    except (OSError, UnicodeDecodeError):
        pass
    write_atomic(volume.entry_script, text)


def cannot_write(volume: Volume, error: OSError) -> VolumeError:
    """What to raise for an error that says that the volume takes no writes of this user."""
    if no_space(error):
        return NoSpaceError(what_is_full(volume, error), hint="Free some space, or choose another volume.")
    what = "is mounted read-only" if error.errno == errno.EROFS else f"cannot be written: {error.strerror}"
    return VolumeError(
        f"{volume.root} {what}",
        hint="Choose a directory that you may write with --persist DIR, or mend its owner and permissions.",
    )


@contextlib.contextmanager
def sharing(volume: Volume) -> Iterator[None]:
    """Make what the block makes for all who share the volume: the umask of one user keeps none of them out.

    The umask is the process's; whoever makes something does so in a process of its own.
    """
    shared = shared_bits(volume.root.stat().st_mode)
    before = os.umask(0o077)
    os.umask(before & ~shared)
    try:
        yield
    finally:
        os.umask(before)


@contextlib.contextmanager
def writing(volume: Volume) -> Iterator[None]:
    """Say of the volume, in a block that changes it, that it is read-only, full, or somebody else's.

    Raises:
        VolumeError: The block met a refusal below the volume's root.
    """
    try:
        yield
    except OSError as error:
        refused = error.errno in {errno.EACCES, errno.EPERM, errno.EROFS} or no_space(error)
        names = [
            Path(os.fsdecode(name)) for name in (error.filename, error.filename2) if isinstance(name, (str, bytes))
        ]
        # Of a link only the relative target may be named.
        if not refused or not all(name.is_relative_to(volume.root) or not name.is_absolute() for name in names):
            raise
        raise cannot_write(volume, error) from error


def no_space(error: BaseException) -> bool:
    """Whether an error says that the disk or the quota is full."""
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}


def what_is_full(volume: Volume, error: BaseException) -> str:
    """Say which of the two it is, of an error that says that the disk or the quota is full."""
    # An error of the native engine has no number.
    if (isinstance(error, OSError) and error.errno == errno.EDQUOT) or "quota exceeded" in str(error).lower():
        return f"the quota on {volume.root} is used up"
    return f"no space left on {volume.root}"


def write_atomic(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Write a file so that readers see the old content or the new one, also after a power cut."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable; file systems that refuse it do not need it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def discard(volume: Volume, path: Path) -> None:
    """Remove a directory: first out of sight by rename, then for good. Never fails for what is already gone."""
    grave = bury(volume, path)
    if grave is not None:
        erase(grave)


def bury(volume: Volume, path: Path) -> Path | None:
    """Put a directory out of sight by rename; return where it lies, or None for what is already gone."""
    grave = volume.trash / f"{path.name}-{secrets.token_hex(4)}"
    try:
        path.rename(grave)
    except FileNotFoundError:
        return None
    except OSError:
        return path  # another file system below the same root: it is deleted where it is
    return grave


def erase(grave: Path) -> None:
    """Delete what `bury` has put out of sight."""
    shutil.rmtree(grave, onerror=_make_writable)


def _make_writable(function: object, path: str, _: object) -> None:
    """Extracted packages have read-only directories in places; open the parent and try once more."""
    with contextlib.suppress(OSError):
        os.chmod(os.path.dirname(path), 0o755)  # noqa: PTH101, PTH120, S103 - a directory about to be deleted
        function(path)  # type: ignore[operator]


def environments(volume: Volume) -> Iterator[tuple[str, Path]]:
    """Name and generation of each environment: the links that point into this volume's generations."""
    if not volume.root.is_dir():
        return
    for entry in sorted(os.scandir(volume.root), key=lambda e: e.name):
        if entry.is_symlink():
            target = Path(os.path.normpath(volume.root / os.readlink(entry.path)))
            if target.parent == volume.generations:
                yield entry.name, target


def read_volume_file(volume: Volume) -> VolumeFile | None:
    """The description of the volume, or None where there is none or it is broken."""
    try:
        return VolumeFile.model_validate(json.loads(volume.volume_file.read_bytes()))
    except (OSError, ValueError):
        return None

"""File systems: the mount of a directory, what it can do, and what that means for environments."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from envkit.models.codes.advice import EPHEMERAL_VOLUME, NETWORK_VOLUME, NO_HARD_LINKS, NO_LOCKS
from envkit.models.fact import Advice
from envkit.values import dataclass

_MOUNTINFO = Path("/proc/self/mountinfo")

# File systems that HPC sites and clouds mount. FUSE names are the programs' own mount types.
_NETWORK = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "lustre", "gpfs", "beegfs", "ceph", "glusterfs", "afs", "9p"),
        *("wekafs", "panfs", "orangefs", "pvfs2"),
        *("fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.juicefs", "fuse.moosefs"),
    }
)
# Object stores shown as files: no atomic rename, no links, no mode bits, even if some imitate them.
_OBJECT_STORES = frozenset(
    {
        *("fuse.s3fs", "fuse.gcsfuse", "gcsfuse", "fuse.mountpoint-s3", "mountpoint-s3", "fuse.rclone"),
        *("fuse.blobfuse", "fuse.blobfuse2", "fuse.goofys", "fuse.geesefs", "fuse.ossfs", "fuse.cosfs"),
        *("fuse.obsfs", "fuse.hf-mount"),
    }
)
_MEMORY = frozenset({"tmpfs", "ramfs"})
_LAYERS = frozenset({"overlay", "overlayfs", "aufs", "fuse.fuse-overlayfs", "fuse-overlayfs"})

_FICLONE = 0x40049409  # ioctl_ficlone(2)

# What an environment cannot do without, in words.
_NEEDED = {
    "symlink": "symbolic links",
    "rename": "rename",
    "rename_over_symlink": "replacing a link by rename",
    "mode_bits": "mode bits",
    "execute": "running programs from it (noexec)",
}


@dataclass(frozen=True, slots=True)
class Mount:
    """The mount that a directory lies on."""

    point: str  # the mount point
    fs_type: str | None  # its type, such as ``ext4``, ``nfs4`` or ``fuse.s3fs``; None if not known
    source: str  # the device or export that is mounted
    options: tuple[str, ...] = ()  # mount options, including those of the file system

    @property
    def network(self) -> bool:
        """Whether other hosts may mount it too."""
        return self.fs_type in _NETWORK

    @property
    def object_store(self) -> bool:
        """Whether it shows an object store as files."""
        return self.fs_type in _OBJECT_STORES

    @property
    def memory(self) -> bool:
        """Whether its files are lost at the next restart."""
        return self.fs_type in _MEMORY

    @property
    def layer(self) -> bool:
        """Whether its files are lost with the container."""
        return self.fs_type in _LAYERS and self.point == "/"


def parse_mountinfo(text: str, path: str) -> Mount | None:
    """Find the mount of an absolute, resolved path in ``/proc/self/mountinfo`` (proc(5)): the last of the deepest."""
    best: Mount | None = None
    for line in text.splitlines():
        left, separator, right = line.partition(" - ")
        fields, tail = left.split(" "), right.split(" ")
        if not separator or len(fields) < 6 or len(tail) < 3:
            continue
        point = _unescape(fields[4])
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and (best is None or len(point) >= len(best.point)):
            options = tuple(dict.fromkeys([*fields[5].split(","), *tail[2].split(",")]))
            best = Mount(point, tail[0], _unescape(tail[1]), options)
    return best


def _unescape(text: str) -> str:
    for code, char in ((r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", "\\")):
        text = text.replace(code, char)
    return text


def read_mount(path: Path) -> Mount:
    """Return the mount of a directory, or of the nearest existing one above it."""
    real = Path(os.path.realpath(path))
    while not real.exists() and real != real.parent:
        real = real.parent
    try:
        found = parse_mountinfo(_MOUNTINFO.read_text(encoding="utf-8", errors="surrogateescape"), str(real))
    except OSError:
        found = None
    if found is not None:
        return found
    while not real.is_mount():
        real = real.parent
    return Mount(str(real), None, "")


def probe_abilities(folder: Path) -> dict[str, bool]:
    """Try in `folder` what an environment needs, and what makes environments cheap."""
    import tempfile

    able: dict[str, bool] = {}
    with tempfile.TemporaryDirectory(prefix=".probe-", dir=folder) as name:
        base = Path(name)
        script = base / "script"
        script.write_bytes(b"#!/bin/sh\nexit 0\n" + b"#" * 8192)  # some file systems clone whole blocks only
        script.chmod(0o755)
        able["mode_bits"] = stat.S_IMODE(script.stat().st_mode) == 0o755 and _reads_only(base)
        able["execute"] = _runs(script)
        able["hard_link"] = _works(lambda: os.link(script, base / "hard")) and script.stat().st_nlink > 1
        able["reflink"] = _works(lambda: _clone(script, base / "clone"))
        able["symlink"] = _works(lambda: (base / "soft").symlink_to("script")) and (base / "soft").is_symlink()
        able["rename"] = _works(lambda: _rename(base))
        able["rename_over_symlink"] = able["symlink"] and _works(lambda: _rename_over_link(base))
        able["flock"] = _works(lambda: _lock(script))
        able["case_sensitive"] = not (base / "SCRIPT").exists()
        able["counts_inodes"] = os.statvfs(base).f_files > 0
    return able


def missing_abilities(able: dict[str, bool]) -> list[str]:
    """List, in words, what an environment needs and this file system lacks."""
    return [words for key, words in _NEEDED.items() if not able.get(key, True)]


def _works(action: Callable[[], object]) -> bool:
    try:
        action()
    except OSError:
        return False
    return True


def _reads_only(base: Path) -> bool:
    path = base / "sealed"
    path.write_bytes(b"")
    path.chmod(0o444)
    return stat.S_IMODE(path.stat().st_mode) == 0o444


def _runs(script: Path) -> bool:
    if os.statvfs(script).f_flag & getattr(os, "ST_NOEXEC", 0):
        return False
    for _ in range(3):
        from envkit.process import run_child  # its modules take 3 ms

        ended = run_child([script], timeout_s=30)
        # ETXTBSY: another thread forked while the script was open for writing, and its child has it open still.
        if ended.error is None or ended.error.errno != errno.ETXTBSY:
            return ended.state == "done"
    return True


def _clone(source: Path, target: Path) -> None:
    with source.open("rb") as reader, target.open("wb") as writer:
        fcntl.ioctl(writer.fileno(), _FICLONE, reader.fileno())


def _rename(base: Path) -> None:
    folder = base / "folder"
    folder.mkdir()
    (folder / "file").write_bytes(b"")
    folder.rename(base / "moved")  # a directory, as packages and generations are
    if not (base / "moved" / "file").exists():
        raise OSError(errno.EIO, "the renamed directory lost its file")


def _rename_over_link(base: Path) -> None:
    (base / "soft.new").symlink_to("folder")
    (base / "soft.new").rename(base / "soft")
    if os.readlink(base / "soft") != "folder":
        raise OSError(errno.EIO, "the link was not replaced")


def _lock(path: Path) -> None:
    """Check that two open files of one path cannot both have an exclusive lock."""
    one, two = os.open(path, os.O_RDWR), os.open(path, os.O_RDWR)
    try:
        fcntl.flock(one, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            fcntl.flock(two, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        raise OSError(errno.ENOLCK, "two have the lock")
    finally:
        os.close(one)
        os.close(two)


def concerns(mount: Mount, able: dict[str, bool], *, copied_bytes: int | None = None) -> Sequence[Advice]:
    """List what to know of a file system that can carry environments, with its cost.

    `copied_bytes` is the size of an environment's packages, if known.
    """
    found = []
    if mount.memory or mount.layer:
        found.append(Advice(EPHEMERAL_VOLUME, point=mount.point, fs_type=mount.fs_type, memory=mount.memory))
    if not able.get("hard_link", True):
        reflink = bool(able.get("reflink"))
        found.append(Advice(NO_HARD_LINKS, fs_type=mount.fs_type, reflink=reflink, copied_bytes=copied_bytes))
    if not able.get("flock", True):
        found.append(Advice(NO_LOCKS))
    if mount.network:
        found.append(Advice(NETWORK_VOLUME, fs_type=mount.fs_type))
    return found

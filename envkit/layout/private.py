"""The one way into a volume's private folders: by descriptor, through no link, into no stranger's folder.

Whoever may write a volume can replace a folder of envkit's by a link to another user's folder, and a file by a link to
another user's file. So nothing below ``.envkit`` is read, written, renamed, opened up or deleted by its path:

    with folder(volume.root, volume.trash) as trash:   # checked: see `folder`
        trash.remove_tree(name)                        # crosses no link and no mount
    with folder(volume.root, volume.validations / generation, make=True) as here:
        here.write("a.json", text)                     # replaced by rename
        here.read("a.json", limit=1 << 20)             # a regular file, never a link or a FIFO

Names are single components. A folder that another library has to write by its path is checked before and after
(`Folder.is_still_at`), or is given to it as `Folder.through`, which no rename can lead elsewhere.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from typing import TYPE_CHECKING, final

from envkit.errors import TamperedError
from envkit.layout.atomic import chmod_at, sync_descriptor, write_at
from envkit.layout.removal import remove_tree

if TYPE_CHECKING:
    from pathlib import Path

MAX_FILE_BYTES = 64 << 20
"""The largest file that is read whole: manifests, records and validations are far below."""
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_FILE = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_CHUNK = 1 << 20
# ``.envkit``, the folders in it, and the folders in those whose names begin with a dot.
_PRIVATE_LEVELS = 2
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


@final
class Folder:
    """An open directory, and what may be done in it."""

    __slots__ = ("descriptor", "path", "root_state")

    def __init__(self, path: str, descriptor: int, root_state: os.stat_result) -> None:
        self.path = path  # for messages; nothing is opened by it
        self.descriptor = descriptor
        # Of the volume's root: its mode and owner say what the folders have to be.
        self.root_state = root_state

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it; a folder that is used in a `with` block closes itself."""
        os.close(self.descriptor)

    @property
    def through(self) -> str:
        """A path to this very directory for libraries and children, by the descriptor where the system offers that."""
        if sys.platform != "linux":
            return self.path
        by_descriptor = f"/proc/{os.getpid()}/fd/{self.descriptor}"  # not "self": children use it, too
        try:  # /proc may be that of other processes (pid_namespaces(7))
            same = os.path.samestat(os.stat(by_descriptor), os.fstat(self.descriptor))
        except OSError:
            same = False
        return by_descriptor if same else self.path

    def is_still_at(self, path: str) -> bool:
        """Return whether a path leads to this very directory, without a link as its last component."""
        try:
            return os.path.samestat(os.fstat(self.descriptor), os.lstat(path))
        except OSError:
            return False

    def names(self) -> list[str]:
        """List the names in it, sorted."""
        return sorted(os.listdir(self.descriptor))

    def state(self, name: str) -> os.stat_result:
        """Return the lstat(2) of an entry."""
        return os.stat(_one(name), dir_fd=self.descriptor, follow_symlinks=False)

    def is_there(self, name: str) -> bool:
        """Return whether there is an entry of that name, a link included."""
        try:
            self.state(name)
        except FileNotFoundError:
            return False
        return True

    def is_folder(self, name: str) -> bool:
        """Return whether an entry is a directory; a link to one is not."""
        try:
            return stat.S_ISDIR(self.state(name).st_mode)
        except OSError:
            return False

    def enter(self, name: str, *, make: bool = False, new: bool = False, mode: int | None = None) -> Folder:
        """Open a directory in it.

        Args:
            make: Make it unless it is there.
            new: Make it.
            mode: The mode of one that is made; None for what the volume demands. The umask has no part in it.

        Raises:
            FileExistsError: It is there, and has to be new.
            TamperedError: It is a link, or no directory.
            FileNotFoundError: It is not there.
        """
        made = False
        if make or new:
            try:
                os.mkdir(_one(name), 0o700, dir_fd=self.descriptor)
                made = True
            except FileExistsError:
                if new:
                    raise
        where = f"{self.path}/{name}"
        try:
            descriptor = os.open(_one(name), _OPEN_FOLDER, dir_fd=self.descriptor)
        except OSError as error:
            if error.errno in {errno.ELOOP, errno.ENOTDIR, errno.EMLINK}:
                raise tampered(where, _kind_of(self, name)) from error
            raise
        if made:
            try:
                _set_mode(descriptor, folder_mode(self.root_state.st_mode) if mode is None else mode)
            except OSError:
                os.close(descriptor)
                raise
        return Folder(where, descriptor, self.root_state)

    def share(self) -> None:
        """Give it the mode that the volume demands."""
        _set_mode(self.descriptor, folder_mode(self.root_state.st_mode))

    def open_file(self, name: str, flags: int = os.O_RDONLY) -> int:
        """Open a regular file and return its descriptor.

        Raises:
            TamperedError: It is a link, or something else than a file.
            FileNotFoundError: It is not there.
        """
        try:
            descriptor = os.open(_one(name), flags | _OPEN_FILE, dir_fd=self.descriptor)
        except OSError as error:
            if error.errno in {errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.EISDIR}:
                raise tampered(f"{self.path}/{name}", _kind_of(self, name)) from error
            raise
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise tampered(f"{self.path}/{name}", _kind_of(self, name))
        return descriptor

    def create(self, name: str, mode: int = 0o600) -> int:
        """Create a file that is not there (O_EXCL) with exactly this mode; return its descriptor."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(_one(name), flags, 0o600, dir_fd=self.descriptor)
        try:
            os.fchmod(descriptor, mode)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def read(self, name: str, *, limit: int = MAX_FILE_BYTES) -> bytes:
        """Read a regular file.

        Raises:
            TamperedError: It is a link, something else than a file, or larger than `limit`.
        """
        return self.read_from(name, limit=limit)[0]

    def read_from(self, name: str, *, limit: int = MAX_FILE_BYTES) -> tuple[bytes, os.stat_result]:
        """Read a regular file; return its state too, which tells who wrote it."""
        descriptor = self.open_file(name)
        with open(descriptor, "rb", buffering=0) as file:
            state = os.fstat(descriptor)
            parts, left = [], limit + 1
            while left > 0 and (data := file.read(min(left, _CHUNK))):
                parts.append(data)
                left -= len(data)
        if left <= 0:
            raise tampered(f"{self.path}/{name}", f"larger than {limit:,} bytes")
        return b"".join(parts), state

    def write(self, name: str, text: str, *, mode: int = 0o644, durable: bool = True) -> None:
        """Replace a file by rename: readers see the old content or the new one, also after a power cut."""
        write_at(self.descriptor, _one(name), text, mode=mode, durable=durable)

    def move(self, name: str, to: Folder, new_name: str) -> None:
        """Rename an entry into another folder of the volume."""
        os.rename(_one(name), _one(new_name), src_dir_fd=self.descriptor, dst_dir_fd=to.descriptor)

    def link_to(self, name: str, target: str) -> None:
        """Make a symbolic link."""
        os.symlink(target, _one(name), dir_fd=self.descriptor)

    def unlink(self, name: str) -> None:
        """Remove a file or a link."""
        os.unlink(_one(name), dir_fd=self.descriptor)

    def sync(self) -> None:
        """Make its names durable; see `sync_descriptor`."""
        sync_descriptor(self.descriptor)

    def set_mode(self, name: str, mode: int) -> None:
        """Set the mode of a file or a directory; never that of what a link leads to.

        Raises:
            TamperedError: It is a link.
        """
        if stat.S_ISLNK(self.state(name).st_mode):
            raise tampered(f"{self.path}/{name}", "a link")
        chmod_at(self.descriptor, _one(name), mode)

    def remove_tree(self, name: str) -> bool:
        """Remove an entry and everything below it; return whether it is gone. See `envkit.layout.removal`."""
        remove_tree(self.descriptor, _one(name))
        try:
            self.state(name)
        except FileNotFoundError:
            return True
        return False


def folder(
    root: str | os.PathLike[str], path: str | os.PathLike[str], *, make: bool = False, mode: int | None = None
) -> Folder:
    """Open a folder of the volume at `root`, the root itself included; with `make`, make what is missing below it.

    `mode` is that of folders that are made; None for what the volume demands.

    Raises:
        TamperedError: A component is a link or no directory, or a private folder belongs to a stranger: somebody who
            is neither this user nor root nor the owner of the volume, where nobody else may write the volume.
        FileNotFoundError: It is not there.
    """
    base = os.fspath(root)
    descriptor = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)  # the user's own word: a link is followed
    here = Folder(base, descriptor, os.fstat(descriptor))
    below = os.path.relpath(path, base)
    for depth, name in enumerate(() if below == "." else below.split("/")):
        with here:
            inner = here.enter(name, make=make, mode=mode)
        if depth < _PRIVATE_LEVELS and (owner := _stranger(inner)) is not None:
            inner.close()
            raise tampered(inner.path, f"owned by user {owner}")
        here = inner
    return here


def own_folder(root: Path, path: Path) -> Path | None:
    """Return the folder of a cache that a library writes and locks by its path, checked.

    None if this user cannot write there, or the file system cannot lock: the library would refuse to work.

    Where others may write the volume, each user has a folder of his own in it: whoever writes an index decides what is
    installed.

    Raises:
        TamperedError: Something in it is a link, or it is somebody else's.
    """
    try:
        with folder(root, path) as here:
            if not takes_locks(here.descriptor):
                return None
            if not here.root_state.st_mode & _OTHERS_WRITE:
                _refuse_links(here)
                return path
            name = f"u{os.geteuid()}"
            with here.enter(name, make=True, mode=0o700) as own:
                state = os.fstat(own.descriptor)
                if state.st_uid != os.geteuid() or state.st_mode & _OTHERS_WRITE:
                    raise tampered(own.path, f"owned by user {state.st_uid}, or open to others")
                _refuse_links(own)
            return path / name
    except OSError:
        return None


def takes_locks(descriptor: int) -> bool:
    """Return whether an open file or directory can be locked (flock(2)); some NFS mounts answer ENOLCK."""
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return True


def _refuse_links(here: Folder) -> None:
    for name in here.names():
        state = here.state(name)
        if stat.S_ISDIR(state.st_mode):
            continue
        if not stat.S_ISREG(state.st_mode) or state.st_nlink > 1:
            raise tampered(f"{here.path}/{name}", _kind_of(here, name))


def read_file(path: str | os.PathLike[str], *, limit: int = MAX_FILE_BYTES) -> bytes:
    """Read a regular file of any directory; see `Folder.read`."""
    place, name = os.path.split(os.fspath(path))
    descriptor = os.open(place or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    with Folder(place, descriptor, os.fstat(descriptor)) as here:
        return here.read(name, limit=limit)


def peek(root: str | os.PathLike[str], path: str | os.PathLike[str]) -> list[str]:
    """List the names in a folder of the volume; none if it is not there."""
    try:
        with folder(root, path) as here:
            return here.names()
    except FileNotFoundError:
        return []


def folder_mode(root_mode: int) -> int:
    """Return the mode of folders in a volume whose root has this mode."""
    sticky = root_mode & stat.S_ISVTX if root_mode & stat.S_ISGID else 0
    return 0o700 | shared_bits(root_mode) | sticky


def shared_bits(mode: int) -> int:
    """Return the permissions that a volume gives to group and others when its root has this mode.

    In a sticky directory, such as ``/tmp``, users write only what is their own. With the setgid bit as well, its owner
    shares it with a group that may write, and each member removes only what is his own (`envkit volume share`).
    """
    own = mode & stat.S_ISVTX and not mode & stat.S_ISGID
    return mode & 0o077 & ~(_OTHERS_WRITE if own else 0)


def inner_bits(mode: int) -> int:
    """Return the permissions of group and others on what is made in a generation, when the root has this mode.

    Where each member removes only what is his own, nobody else may write in it.
    """
    return shared_bits(mode) & ~(_OTHERS_WRITE if mode & stat.S_ISVTX else 0)


def tampered(path: str, found: str) -> TamperedError:
    """Return the error about something that envkit did not put there."""
    error = TamperedError(
        f"{path} is not what envkit put there: it is {found}. It was not touched",
        hint="Somebody who may write the volume replaced it. Look at it and take it away; `envkit doctor` lists all "
        "of these.",
    )
    error.members = {"path": path, "found": found}
    return error


def trusted_owners(root_state: os.stat_result) -> frozenset[int]:
    """Return the users whose files are as good as this user's own: root, and the owner of the volume."""
    return frozenset({0, root_state.st_uid, os.geteuid()})


def _set_mode(descriptor: int, mode: int) -> None:
    """Set the mode of an open directory; the setgid bit that it was made with stays."""
    os.fchmod(descriptor, mode | stat.S_IMODE(os.fstat(descriptor).st_mode) & stat.S_ISGID)


def _stranger(here: Folder) -> int | None:
    root = here.root_state
    owner = os.fstat(here.descriptor).st_uid
    return None if root.st_mode & _OTHERS_WRITE or owner in trusted_owners(root) else owner


def _kind_of(here: Folder, name: str) -> str:
    try:
        state = here.state(name)
    except OSError:
        return "gone"
    if stat.S_ISLNK(state.st_mode):
        return f"a link to {os.readlink(name, dir_fd=here.descriptor)!a}"
    if stat.S_ISREG(state.st_mode):
        return "a file"
    return "a directory" if stat.S_ISDIR(state.st_mode) else "a special file"


def _one(name: str) -> str:
    if not name or name in {".", ".."} or "/" in name:
        raise ValueError(f"not the name of an entry: {name!r}")
    return name

"""The state of all files below the folder of a package, in one digest.

A module, and a script for a process of its own, which leaves this one's interpreter to other work: a line on its
standard input holds paths, separated by NUL, and a line on its standard output the state of each, separated by spaces.
Little of the standard library, so that it starts in an instant.
"""

from __future__ import annotations

import os
import sys

try:
    from _blake2 import blake2b  # hashlib would load OpenSSL
except ImportError:
    from hashlib import blake2b

TYPE_CHECKING = False  # as typing's

if TYPE_CHECKING:
    from collections.abc import Iterable

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_GONE = "-"


class FilesState:
    """The state of the files and links below a folder.

    Attributes:
        digest: Digest of the path, size, mode, modification time and inode of each.
        users: Their owners.
        changed: When they changed (st_ctime), in nanoseconds.
        blocks: The disk space of those outside of ``info/``, in units of 512 bytes.
        count: Number of these.
        inodes: Number of their inodes.
    """

    __slots__ = ("blocks", "changed", "count", "digest", "inodes", "users")

    def __init__(self, digest: str, users: Iterable[int], changed: Iterable[int], sizes: Iterable[int]) -> None:
        self.digest = digest
        self.users = frozenset(users)
        self.changed = frozenset(changed)
        self.blocks, self.count, self.inodes = sizes


def read_state(root: str) -> FilesState:
    """Look at all files and links below a folder, in one order. There are tens of thousands.

    Raises:
        OSError: It is not there, or a folder in it is closed, or became a link.
    """
    users: set[int] = set()
    changed: set[int] = set()
    inodes: set[int] = set()
    blocks = count = 0
    digest = blake2b(digest_size=20)
    top = os.open(root, _FOLDER)
    try:
        stack = [""]
        while stack:
            inner = stack.pop()
            folder = os.open(inner or ".", _FOLDER | os.O_NOFOLLOW, dir_fd=top)
            try:
                with os.scandir(folder) as found:
                    entries = {entry.name: entry for entry in found}
                names, states = [], []
                for name in sorted(entries):
                    entry = entries[name]
                    if entry.is_dir(follow_symlinks=False):
                        stack.append(f"{inner}{name}/")
                    else:
                        names.append(name)
                        states.append(entry.stat(follow_symlinks=False))  # in the open folder: no walk along its path
            finally:
                os.close(folder)
            users.update([state.st_uid for state in states])
            changed.update([state.st_ctime_ns for state in states])
            if not inner.startswith("info/"):
                inodes.update([state.st_ino for state in states])
                blocks += sum([state.st_blocks for state in states])
                count += len(states)
            lines = [
                f"{inner}{name}\0{state.st_size} {state.st_mtime_ns} {state.st_ino} {state.st_mode}\n"
                for name, state in zip(names, states)  # noqa: B905 - of one length, and this is a hot loop
            ]
            digest.update("".join(lines).encode("utf-8", "surrogateescape"))
    finally:
        os.close(top)
    return FilesState(digest.hexdigest(), users, changed, (blocks, count, len(inodes)))


def parse_states(line: bytes) -> list[FilesState | None]:
    """Read what the script wrote of several folders; None for one that could not be read.

    Raises:
        ValueError: It is not a line of the script.
    """
    found: list[FilesState | None] = []
    for told in line.decode("ascii").split(" "):
        if told == _GONE:
            found.append(None)
            continue
        digest, *numbers = told.split(";")
        users, changed, sizes = ([int(number) for number in text.split(",") if number] for text in numbers)
        found.append(FilesState(digest, users, changed, sizes))
    return found


def _told(root: bytes) -> str:
    try:
        state = read_state(os.fsdecode(root))
    except OSError:
        return _GONE
    parts = (state.users, state.changed, (state.blocks, state.count, state.inodes))
    return ";".join([state.digest, *(",".join(map(str, part)) for part in parts)])


def _answer() -> None:
    """Answer one line."""
    roots = sys.stdin.buffer.readline()[:-1].split(b"\0")
    sys.stdout.buffer.write(" ".join(map(_told, roots)).encode("ascii") + b"\n")


if __name__ == "__main__":
    _answer()

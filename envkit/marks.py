"""Leave a mark of use for a process: an empty file by which `clean` on any host sees it (`envkit.layout.uses`).

Runs before jobs and shells, so it imports the standard library only. On Linux only: elsewhere nothing tells whether a
process of that number is still the same.
"""

from __future__ import annotations

import contextlib
import os
import sys

from envkit.paths import PRIVATE, USES, split_generation

_SHELLS_AT_MOST = 4
_STARTED = 19  # of the fields behind the command in /proc/PID/stat (proc(5), field 22)


def read_node() -> str | None:
    """Return what tells this boot of this host and this space of process numbers from others; None if unknown."""
    with contextlib.suppress(OSError, UnicodeError):
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            boot = file.read(8).decode()
        return f"{boot}-{os.readlink('/proc/self/ns/pid')[5:-1]}"
    return None


def read_start(pid: int) -> str | None:
    """Return when a process started, in ticks since the boot; None if there is none of that number."""
    fields = _fields(pid)
    return fields[_STARTED] if fields is not None else None


def leave_mark(prefix: str, pid: int) -> None:
    """Mark a generation as used by a process, which removes the mark or just ends.

    Does nothing for another prefix, and where this user may not write the volume.
    """
    found, node, started = split_generation(prefix), read_node(), read_start(pid)
    if found is None or node is None or started is None:
        return
    root, generation = found
    host = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in os.uname().nodename[:64])
    with contextlib.suppress(OSError):
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        folder = os.open(os.path.join(root, PRIVATE, USES), flags)
        try:
            name = f"{generation}~{host or '-'}~{node}~{pid}~{started}"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            os.close(os.open(name, flags, 0o644, dir_fd=folder))
        finally:
            os.close(folder)


def calling_shells() -> list[int]:
    """Return the process that called this one, and those that it forked from: shells evaluate in their own forks."""
    found: list[int] = []
    program = None
    pid = os.getppid()
    while pid > 1 and len(found) < _SHELLS_AT_MOST:
        try:
            own = os.readlink(f"/proc/{pid}/exe")
        except OSError:
            break
        if program is not None and own != program:
            break
        program = own
        found.append(pid)
        fields = _fields(pid)
        if fields is None:
            break
        pid = int(fields[1])
    return found or [os.getppid()]


def _fields(pid: int) -> list[str] | None:
    """Return the fields behind the command in ``/proc/PID/stat``; None if the process has ended."""
    if sys.platform != "linux":
        return None
    with contextlib.suppress(OSError, IndexError, UnicodeError), open(f"/proc/{pid}/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].decode().split()  # the command may hold anything
        return fields if fields[0] not in {"Z", "X"} else None
    return None

"""Watch over a native transfer: without progress, or expanding without end, it is given up.

py-rattler has one limit, the time of a whole request, which would cut off large indexes on slow lines. So what its
connections received is read from the kernel (tcp(7), TCP_INFO), and what it writes from its open files. Elsewhere than
on Linux only the files are seen.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import socket
import stat
import struct
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Literal, TypeVar

from envkit.tuples import NamedTuple
from envkit.values import dataclass, field

T = TypeVar("T")

LEAST_BYTES_PER_S = 100
"""A transfer that is slower than this for as long as `Pace.limit_s` makes no progress."""

LARGEST_INDEX_BYTES = 4 << 30
"""An index that expands to more than this is refused; the largest of 2026 has 0.4 GB."""

_RATIO = 150  # indexes and packages shrink to a tenth, at most to a fortieth
_RATIO_FROM_BYTES = 256 << 20  # below this, any ratio
_MEMORY_BYTES = 8 << 30  # a solve over the four largest channels takes 3 GB
_POLL_S = 0.25
_BUSY = 0.2  # of a processor: it computes rather than waits
_SYN_SENT = 2
_RECEIVED_AT = 128  # offset of tcpi_bytes_received in struct tcp_info (linux/tcp.h)

_Kind = Literal["silent", "unconnected", "expands", "memory"]


class TransferFault(Exception):  # noqa: N818 - not shown: its catcher knows the channel
    """A transfer was given up.

    Attributes:
        kind: ``silent``: too few bytes came. ``unconnected``: no connection was made. ``expands``: a file grew too
            large. ``memory``: this process did.
        peer: Address of the other side, where it is known.
        seconds: How long it was waited for.
        size_bytes: What it had grown to.
    """

    def __init__(self, kind: _Kind, *, peer: str | None = None, seconds: float = 0.0, size_bytes: int = 0) -> None:
        super().__init__(kind)
        self.kind, self.peer, self.seconds, self.size_bytes = kind, peer, seconds, size_bytes


@dataclass(slots=True)
class Pace:
    """The pace of a transfer: too slow when too few bytes came for too long.

    Attributes:
        limit_s: For how long.
        since: When enough bytes had come last.
        total: How many had come by then.
    """

    limit_s: float
    since: float
    total: int = 0

    def is_stalled(self, now: float, total: int, *, busy: bool = False) -> bool:
        """Return whether the transfer stalls, given all bytes that came until `now`."""
        if busy or total - self.total >= LEAST_BYTES_PER_S * self.limit_s:
            self.since, self.total = now, total
        return now - self.since > self.limit_s


class Patience(NamedTuple):
    """The time that a transfer is waited for, in seconds."""

    stall_s: float  # for it to go on
    connect_s: float  # for its connection


@dataclass(slots=True)
class _Watch:
    folder: str
    patience: Patience | None
    pace: Pace
    cpu_s: float
    polled: float
    memory: int
    received: dict[int, int] = field(default_factory=dict)  # by inode of the socket
    waiting: dict[int, float] = field(default_factory=dict)  # connections that are being made, since when

    def look(self, now: float) -> None:
        """Raise `TransferFault` if the transfer should be given up."""
        cpu_s = _cpu_s()
        busy = cpu_s - self.cpu_s > _BUSY * (now - self.polled)
        self.cpu_s, self.polled = cpu_s, now
        peer, connecting = self._read_sockets(now)
        size = max((size for _, size in open_files(self.folder)), default=0)
        received = sum(self.received.values())
        if size > LARGEST_INDEX_BYTES or (0 < received * _RATIO < size and size > _RATIO_FROM_BYTES):
            raise TransferFault("expands", peer=peer, size_bytes=size)
        memory = _memory() - self.memory
        if memory > _MEMORY_BYTES:
            raise TransferFault("memory", peer=peer, size_bytes=memory)
        if self.patience is None:
            return
        stalled = self.pace.is_stalled(now, received or size, busy=busy)
        if connecting is not None and not busy and now - self.pace.since > self.patience.connect_s:
            raise TransferFault("unconnected", peer=connecting, seconds=self.patience.connect_s)
        if stalled and not _waits_for_lock():
            raise TransferFault("silent", peer=peer, seconds=self.patience.stall_s)

    def _read_sockets(self, now: float) -> tuple[str | None, str | None]:
        """Count what connections received; return the last peer, and one that did not answer in time."""
        peer = unanswered = None
        waiting = {}
        for inode, info, address in _connections():
            peer = address or peer
            self.received[inode] = max(self.received.get(inode, 0), struct.unpack_from("Q", info, _RECEIVED_AT)[0])
            if info[0] == _SYN_SENT:
                waiting[inode] = self.waiting.get(inode, now)
                if self.patience is not None and now - waiting[inode] > self.patience.connect_s:
                    unanswered = address or ""
        self.waiting = waiting
        return peer, unanswered


def _begin(folder: Path, patience: Patience | None) -> _Watch:
    now = time.monotonic()
    pace = Pace(patience.stall_s if patience else 0.0, now)
    return _Watch(os.path.realpath(folder), patience, pace, _cpu_s(), now, _memory())


async def watched(coroutine: Coroutine[Any, Any, T], folder: Path, patience: Patience | None) -> T:
    """Await a native transfer that writes below `folder`; without `patience`, it may take any time.

    A transfer that is given up goes on in the native library until this process ends; its files are removed, as after
    any other error.

    Raises:
        TransferFault: It was given up.
    """
    import asyncio

    watch = _begin(folder, patience)
    task = asyncio.ensure_future(coroutine)
    try:
        while not (await asyncio.wait({task}, timeout=_POLL_S))[0]:
            watch.look(time.monotonic())
        return task.result()
    except BaseException:
        task.cancel()
        for path, _ in open_files(watch.folder):
            with contextlib.suppress(OSError):
                os.unlink(path)
        raise


def open_files(folder: str) -> list[tuple[str, int]]:
    """List the files below a folder that this process is writing anew, with their sizes: temporary ones."""
    found: dict[str, int] = {}
    for number in _listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            path = os.readlink(f"/proc/self/fd/{number}")
            if path.startswith(f"{folder}/") and os.path.basename(path).startswith(".tmp"):
                found[path] = os.lstat(path).st_size
    if sys.platform != "linux":
        for name in _listdir(folder):
            if name.startswith(".tmp"):
                with contextlib.suppress(OSError):
                    found[f"{folder}/{name}"] = os.lstat(f"{folder}/{name}").st_size
    return list(found.items())


def _connections() -> list[tuple[int, bytes, str | None]]:
    """List the TCP connections of this process: inode, ``struct tcp_info``, address of the other side."""
    if sys.platform != "linux":
        return []
    found = []
    for number in _listdir("/proc/self/fd"):
        with contextlib.suppress(OSError, ValueError):
            state = os.fstat(int(number))
            if not stat.S_ISSOCK(state.st_mode):
                continue
            with socket.socket(fileno=os.dup(int(number))) as other:
                if other.family not in {socket.AF_INET, socket.AF_INET6} or other.type != socket.SOCK_STREAM:
                    continue
                info = other.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
                address = None
                with contextlib.suppress(OSError):  # not connected yet, or no more
                    address = str(other.getpeername()[0])
                if len(info) >= _RECEIVED_AT + 8:
                    found.append((state.st_ino, info, address))
    return found


def _waits_for_lock() -> bool:
    """Return whether this process waits for a lock, which another one holds while it fetches the same index."""
    try:
        with open("/proc/locks", encoding="ascii") as file:
            waiting = [line.split() for line in file if "->" in line]
    except (OSError, UnicodeError):
        return False
    return any(len(words) > 5 and words[5] == str(os.getpid()) for words in waiting)


def _cpu_s() -> float:
    times = os.times()
    return times.user + times.system


def _memory() -> int:
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * mmap.PAGESIZE
    except (OSError, ValueError, IndexError):
        return 0


def _listdir(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []

"""Download an archive, verified as it comes."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

from envkit.engines.watch import Pace
from envkit.errors import ChannelError, IntegrityError
from envkit.layout.private import Folder
from envkit.models.build import Record
from envkit.models.channel import redact
from envkit.models.network import NetworkPolicy
from envkit.models.progress import Reporter
from envkit.plain import open_plain

if TYPE_CHECKING:
    from rattler import Client


_CHUNK = 1 << 20
_STALLS = 2  # a server that stalls twice stalls again


def is_whole(folder: Folder, name: str, record: Record, reporter: Reporter) -> bool:
    """Check whether an archive that an interrupted run left is complete."""
    kind, expected = _digest(record)
    digest = hashlib.new(kind, usedforsecurity=False)
    try:
        with os.fdopen(folder.open_file(name), "rb") as file:
            while data := file.read(_CHUNK):
                digest.update(data)
            size = file.tell()
    except FileNotFoundError:
        return False
    if digest.hexdigest() != expected:
        return False
    reporter.advance("download", size, text=record.name)
    return True


def _digest(record: Record) -> tuple[str, str]:
    """Return the kind of digest that the index gives, and the digest; see `cache.key`."""
    return ("sha256", record.sha256.lower()) if record.sha256 else ("md5", str(record.raw["md5"]).lower())


class _Stall(str):
    """The fault of a transfer that was too slow."""

    __slots__ = ()


class _Sink:
    """The writer of a download: it hashes and counts the bytes, and refuses more than the index says."""

    def __init__(self, file: IO[bytes], record: Record, reporter: Reporter) -> None:
        self.file = file
        self.record = record
        self.reporter = reporter
        self.size = 0
        self.kind, self.expected = _digest(record)
        self.digest = hashlib.new(self.kind, usedforsecurity=False)
        self.error: OSError | None = None
        self.too_long = False

    def write(self, data: bytes) -> int:
        self.size += len(data)
        if self.record.size is not None and self.size > self.record.size:
            self.too_long = True
            raise ValueError("more bytes than the index says")
        self.digest.update(data)
        try:
            self.file.write(data)
        except OSError as error:
            self.error = error  # the engine raises it again without errno
            raise
        self.reporter.advance("download", len(data), text=self.record.name)
        return len(data)

    @property
    def is_right(self) -> bool:
        return self.digest.hexdigest() == self.expected and not self.too_long

    def check(self) -> None:
        record, found = self.record, self.digest.hexdigest()
        if not self.is_right:
            raise IntegrityError(
                f"{record.fn} from {record.channel} is not what the index says: {self.kind} {found[:16]}..., "
                f"expected {self.expected[:16]}... ({self.size} bytes"
                + (f" of {record.size})" if record.size is not None else ")"),
                hint="A broken download, a stale mirror or a changed package. Try again; if it stays, use another "
                "channel or mirror. Nothing was installed.",
            )


async def download(
    record: Record, place: tuple[Folder, str], client: Client, policy: NetworkPolicy, reporter: Reporter
) -> None:
    """Download the archive of a record and verify it, ``file://`` too: py-rattler checks no hash there.

    Args:
        place: The folder and the name of the archive in it, which is created anew.

    Raises:
        IntegrityError: Its bytes are not those that the index promises.
        ChannelError: It cannot be read, or not without network.
        OSError: It cannot be written.
    """
    import asyncio

    parts = urlsplit(record.url)
    if parts.scheme == "file":
        with _created(place) as file:
            sink = _Sink(file, record, reporter)
            await asyncio.to_thread(_copy, Path(unquote(parts.path)), sink, record)
            sink.check()
        return
    if policy.offline:
        raise ChannelError(
            f"{record.fn} is not in the cache and --offline forbids to download it",
            hint="Run once without --offline; packages stay in the volume's cache.",
        )
    stalls = 0
    for attempt in range(policy.retries + 1):
        with _created(place) as file:
            sink = _Sink(file, record, reporter)
            fault = await transfer(client, record.url, sink, policy)
        if fault is None or sink.too_long:
            sink.check()
            return
        if sink.error is not None:
            raise sink.error
        reporter.advance("download", -sink.size)
        stalls += isinstance(fault, _Stall)
        if attempt == policy.retries or stalls == _STALLS or "status client error" in fault:
            raise ChannelError(
                f"{record.fn} cannot be downloaded from {record.channel}: {redact(fault)}",
                hint="Check the network and the channel; run the same command again to go on where it stopped.",
            )
        await asyncio.sleep(min(2.0**attempt * policy.backoff_s, 30))


def copy_archive(source: Path, record: Record, place: tuple[Folder, str], reporter: Reporter) -> bool:
    """Copy an archive from another cache of this machine; return whether it was there and is the record's.

    Raises:
        OSError: The copy cannot be written.
    """
    try:
        file = os.fdopen(open_plain(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")
    except OSError:
        return False
    with file:
        state = os.fstat(file.fileno())
        if not stat.S_ISREG(state.st_mode) or record.size not in {None, state.st_size}:
            return False
        with _created(place) as target:
            sink = _Sink(target, record, reporter)
            try:
                while data := file.read(_CHUNK):
                    sink.write(data)
            except (OSError, ValueError):
                if sink.error is not None:
                    raise
        if sink.is_right:
            return True
    reporter.advance("download", -sink.size)
    place[0].unlink(place[1])
    return False


def _created(place: tuple[Folder, str]) -> IO[bytes]:
    folder, name = place
    with contextlib.suppress(FileNotFoundError):
        folder.unlink(name)
    return os.fdopen(folder.create(name), "wb")


class Receiver(Protocol):
    """The writer of a download.

    Attributes:
        size: Number of bytes so far.
    """

    size: int

    def write(self, data: bytes, /) -> int:
        """Take some bytes."""


class _Door:
    """Passes bytes on until it is shut: the engine does not end a transfer at once."""

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.shut = False

    def write(self, data: bytes, /) -> int:
        if self.shut:
            raise ValueError("given up")
        return self.receiver.write(data)


async def transfer(client: Client, url: str, sink: Receiver, policy: NetworkPolicy) -> str | None:
    """Try once, giving up when next to nothing comes for a while; return None for success, else the fault."""
    import asyncio

    from rattler.package_streaming import download_to_writer

    door = _Door(sink)
    task = asyncio.ensure_future(download_to_writer(client, url, door))
    pace = Pace(policy.stall_s, time.monotonic())
    while not (await asyncio.wait({task}, timeout=min(1.0, policy.stall_s)))[0]:
        if pace.is_stalled(time.monotonic(), sink.size):
            task.cancel()
            door.shut = True
            return _Stall(f"it sent next to nothing for {policy.stall_s:.0f} s (--timeout SECONDS waits longer)")
    error = task.exception()
    return None if error is None else " ".join(str(error).split()) or type(error).__name__


def _copy(source: Path, sink: _Sink, record: Record) -> None:
    try:
        file = source.open("rb")
    except OSError as error:
        raise ChannelError(
            f"{record.fn} is in the index of {record.channel}, but its file cannot be read: {error.strerror}",
            hint="Index the channel again.",
        ) from error
    with file:
        while data := file.read(_CHUNK):
            try:
                sink.write(data)
            except ValueError:
                break  # too long: `Sink.check` reports it

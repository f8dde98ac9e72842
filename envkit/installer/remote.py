"""Download a file that no index lists into the user's cache."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from envkit.engines.network import make_client
from envkit.errors import ChannelError, IntegrityError
from envkit.host.cache import default_cache_dir
from envkit.installer.cache import key
from envkit.installer.download import download, is_whole, transfer
from envkit.layout import private
from envkit.models.build import Record
from envkit.models.care import CleanItem
from envkit.models.channel import Channel, redact
from envkit.models.codes.advice import DOWNLOAD_UNUSED
from envkit.models.fact import Advice
from envkit.models.network import NetworkPolicy
from envkit.models.progress import Reporter
from envkit.words.values import size_words

_KEPT_S = 7 * 24 * 3600


def fetch_url(url: str, *, policy: NetworkPolicy, reporter: Reporter) -> Path:
    """Return the local file of a URL, downloaded unless it was in the last week.

    A digest that the URL itself gives (``#sha256=...``, as package indexes write it) is verified.

    Raises:
        ChannelError: It cannot be downloaded.
        IntegrityError: It is not what the URL's digest says.
        OSError: The cache cannot be written.
    """
    import asyncio

    parts = urlsplit(url)
    name = unquote(parts.path).rpartition("/")[2] or "file"
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    folder = _folder()
    target = folder / hashlib.sha256(url.encode()).hexdigest()[:16] / name
    _prune(folder, keep=target.parent)
    if target.is_file():
        reporter.note(f"{name} was downloaded before: {target}")
        return target
    if policy.offline:
        raise ChannelError(
            f"{redact(url)} was not downloaded before, and --offline forbids it", hint="Run once without --offline."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{name}-{secrets.token_hex(4)}.part")
    try:
        asyncio.run(_download(url, partial, policy, reporter))
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    reporter.finish("download", _kept(target))
    return target


def fetch_archive(record: Record, channels: Sequence[Channel], *, policy: NetworkPolicy, reporter: Reporter) -> Path:
    """Return the archive of a record, verified; downloaded unless it was in the last week.

    Raises:
        ChannelError: It cannot be downloaded.
        IntegrityError: It is not what the index says.
        OSError: The cache cannot be written.
    """
    import asyncio

    folder = _folder()
    target = folder / key(record) / record.fn
    _prune(folder, keep=target.parent)
    target.parent.mkdir(parents=True, exist_ok=True)
    with private.folder(target.parent, target.parent) as here:
        if is_whole(here, target.name, record, Reporter()):
            reporter.note(f"{record.fn} was downloaded before: {target}")
            return target
        partial = f".{record.fn}-{secrets.token_hex(4)}.part"
        reporter.start("download", record.fn, total=record.size, unit="B")
        try:
            asyncio.run(download(record, (here, partial), make_client(policy, channels), policy, reporter))
            here.move(partial, here, target.name)
        finally:
            with contextlib.suppress(FileNotFoundError):
                here.unlink(partial)
    reporter.finish("download", _kept(target))
    return target


def find_old_downloads(younger_than_s: float) -> list[CleanItem]:
    """Find the files in the user's cache that nobody asked for in `younger_than_s` seconds, and a week."""
    if default_cache_dir(os.environ) is None:
        return []
    now, limit = time.time(), max(younger_than_s, _KEPT_S)
    aged = ((path, now - path.lstat().st_mtime) for path in sorted(_folder().glob("*/*")))
    return [
        CleanItem("archive", str(path), Advice(DOWNLOAD_UNUSED, idle_s=idle_s))
        for path, idle_s in aged
        if idle_s >= limit
    ]


def _folder() -> Path:
    return Path(default_cache_dir(os.environ) or ".", "downloads")


def _kept(target: Path) -> str:
    return f"{size_words(target.stat().st_size)} to {target}, kept there for a week"


async def _download(url: str, partial: Path, policy: NetworkPolicy, reporter: Reporter) -> None:
    import asyncio

    address, _, fragment = url.partition("#")
    expected = fragment.removeprefix("sha256=").lower() if fragment.startswith("sha256=") else None
    client = make_client(policy)
    sink = _FileSink(lambda _: 0, reporter)
    for attempt in range(policy.retries + 1):
        reporter.start("download", redact(address), unit="B")
        with partial.open("wb") as file:
            sink = _FileSink(file.write, reporter)
            fault = await transfer(client, address, sink, policy)
        if fault is None:
            break
        if sink.error is not None:
            raise sink.error
        reporter.advance("download", -sink.size)
        if attempt == policy.retries or "status client error" in fault:
            raise ChannelError(
                f"{redact(address)} cannot be downloaded: {redact(fault)}", hint="Check the address and the network."
            )
        await asyncio.sleep(min(2.0**attempt * policy.backoff_s, 30))
    if expected is not None and sink.digest.hexdigest() != expected:
        raise IntegrityError(
            f"{redact(address)} is not what the URL says: sha256 {sink.digest.hexdigest()[:16]}..., expected "
            f"{expected[:16]}...",
            hint="A broken download or a changed file: try again, or leave the digest out.",
        )


class _FileSink:
    """The writer of a download, which keeps its digest and the system's own error."""

    def __init__(self, write: Callable[[bytes], int], reporter: Reporter) -> None:
        self.size = 0
        self.digest = hashlib.sha256()
        self.error: OSError | None = None
        self._write = write
        self._reporter = reporter

    def write(self, data: bytes, /) -> int:
        try:
            self._write(data)
        except OSError as error:
            self.error = error  # the engine raises it again without errno
            raise
        self.size += len(data)
        self.digest.update(data)
        self._reporter.advance("download", len(data))
        return len(data)


def _prune(folder: Path, *, keep: Path) -> None:
    """Remove what nobody asked for in a week."""
    oldest = time.time() - _KEPT_S
    for path in folder.glob("*/*"):
        with contextlib.suppress(OSError):  # another process may prune at the same time
            if path.stat().st_mtime < oldest:
                path.unlink()
                if path.parent != keep:
                    path.parent.rmdir()

"""Fetch: download, verify, extract, check, and move into the cache by one rename."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import stat
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from envkit.checks.package import check_entry_points, check_link_target, check_paths
from envkit.errors import ChannelError, IntegrityError, NoSpaceError
from envkit.installer import cache
from envkit.layout.atomic import sync_directory, sync_file_system
from envkit.layout.refusal import no_space, what_is_full
from envkit.layout.space import is_full
from envkit.layout.trash import discard
from envkit.layout.volume import Volume
from envkit.models.build import Record
from envkit.models.channel import Channel, redact
from envkit.models.network import NetworkPolicy
from envkit.models.progress import Reporter

if TYPE_CHECKING:
    from rattler import Client

__all__ = ["fetch"]

_PARALLEL = 6
_CHUNK = 1 << 20
_SYNC_S = 5.0


def fetch(
    volume: Volume,
    records: Sequence[Record],
    *,
    channels: Sequence[Channel],
    policy: NetworkPolicy,
    reporter: Reporter,
) -> None:
    """Bring every package into the volume's cache; what is there already costs nothing.

    Args:
        volume: Whose cache.
        records: The packages.
        channels: Channels with their credentials.
        policy: How the network may be used.
        reporter: Hears the bytes as they come.

    Raises:
        IntegrityError: An archive is not what the index says, or would write outside its prefix.
        ChannelError: A download failed.
        NoSpaceError: The volume is full. Packages that are complete stay in the cache.
    """
    missing = [record for record in records if not cache.cached(volume, record)]
    if not missing:
        return
    total = sum(record.size or 0 for record in missing)
    reporter.start("download", f"{len(missing)} packages", total=total, unit="B")
    with cache.incoming(volume) as folder:
        try:
            adopted = cache.adopt(volume, missing, folder)
            if adopted:
                reporter.note(f"took over {adopted} downloads of a run that died")
            asyncio.run(_fetch_all(volume, missing, folder, channels, policy, reporter))
        except OSError as error:
            if no_space(error):
                raise NoSpaceError(
                    f"{what_is_full(volume, error)} while packages were fetched",
                    hint=f"{total / 1e6:,.0f} MB were to be downloaded and about four times that extracted. Free "
                    "space, or choose another volume; complete packages are kept in the cache.",
                ) from error
            raise
    reporter.finish("download", f"{len(missing)} packages, {total / 1e6:,.1f} MB")


class _Shelf:
    """Puts extracted packages into the cache, several at a time.

    A name in the cache is a promise that outlives a power cut, so the bytes are on the disk before the name is
    (syncfs, then the renames). One sync for each package would be slow, one for all would lose the extraction of all
    when the process dies; so whatever is ready is put there every few seconds. Until then the archives stay: a later
    run takes them over, and nothing is downloaded twice.
    """

    def __init__(self, volume: Volume) -> None:
        self.volume = volume
        self.ready: list[tuple[Record, Path, Path]] = []
        self.busy = asyncio.Lock()
        self.last = time.monotonic()

    async def put(self, record: Record, home: Path, archive: Path) -> None:
        """Take an extracted and checked package."""
        self.ready.append((record, home, archive))
        if time.monotonic() - self.last > _SYNC_S:
            await self.flush()

    async def flush(self) -> None:
        """Put everything that is ready into the cache."""
        async with self.busy:
            ready, self.ready = self.ready, []
            if ready:
                await asyncio.to_thread(self._move, ready)
            self.last = time.monotonic()

    def _move(self, ready: Sequence[tuple[Record, Path, Path]]) -> None:
        sync_file_system(self.volume.packages)
        for record, home, archive in ready:
            final = cache.package_dir(self.volume, record).parent
            try:
                home.rename(final)
            except OSError:
                if not cache.cached(self.volume, record):  # what is there is not whole, or it is no question of names
                    discard(self.volume, final)
                    home.rename(final)
            archive.unlink()
        sync_directory(self.volume.packages)


async def _fetch_all(
    volume: Volume,
    records: Sequence[Record],
    folder: Path,
    channels: Sequence[Channel],
    policy: NetworkPolicy,
    reporter: Reporter,
) -> None:
    from envkit.engines.network import make_client

    client = make_client(policy, channels)
    gate = asyncio.Semaphore(_PARALLEL)
    shelf = _Shelf(volume)

    async def one(record: Record) -> None:
        async with gate:
            home, archive = await _fetch_one(volume, record, folder, client, policy, reporter)
            await shelf.put(record, home, archive)

    tasks = [asyncio.ensure_future(one(record)) for record in sorted(records, key=lambda r: -(r.size or 0))]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(OSError):  # the first error is the one to tell
            await shelf.flush()
        raise
    await shelf.flush()


async def _fetch_one(
    volume: Volume,
    record: Record,
    folder: Path,
    client: Client,
    policy: NetworkPolicy,
    reporter: Reporter,
) -> tuple[Path, Path]:
    """Download, verify, extract and check one package; return the extracted package's home and its archive."""
    from rattler.exceptions import ExtractError
    from rattler.package_streaming import extract

    archive = cache.archive_in(folder, record)
    home = folder / cache.key(record)
    target = home / f"{record.name}-{record.version}-{record.build}"
    home.mkdir()
    if not await asyncio.to_thread(_is_whole, archive, record, reporter):
        await _download(record, archive, client, policy, reporter)
    try:
        await asyncio.to_thread(extract, archive, target)
    except (ExtractError, OSError) as error:
        # The bytes are what the index promised, so either the disk is full or the archive is broken at its origin.
        if is_full(volume, error):
            raise NoSpaceError(
                f"{what_is_full(volume, error)} while {record.fn} was extracted",
                hint="Free space, or choose another volume; complete packages are kept in the cache.",
            ) from error
        raise IntegrityError(
            f"{record.fn} from {record.channel} cannot be extracted: {redact(str(error))}",
            hint="The archive is broken at its origin. Tell the channel's maintainers, or choose another build.",
        ) from error
    await asyncio.to_thread(_check_and_seal, record, target)
    return home, archive


def _is_whole(archive: Path, record: Record, reporter: Reporter) -> bool:
    """Whether an archive that a dead run left is all there."""
    digest = hashlib.sha256() if record.sha256 else hashlib.md5(usedforsecurity=False)
    try:
        with archive.open("rb") as file:
            while data := file.read(_CHUNK):
                digest.update(data)
            size = file.tell()
    except FileNotFoundError:
        return False
    if digest.hexdigest() != (record.sha256 or str(record.raw["md5"])).lower():
        return False
    reporter.advance("download", size, text=record.name)
    return True


class _Sink:
    """Takes the bytes of a download: writes, hashes and counts them, and refuses more than the index says."""

    def __init__(self, file: IO[bytes], record: Record, reporter: Reporter) -> None:
        self.file = file
        self.record = record
        self.reporter = reporter
        self.size = 0
        self.sha256 = hashlib.sha256()
        self.md5 = hashlib.md5(usedforsecurity=False)
        self.error: OSError | None = None
        self.too_long = False

    def write(self, data: bytes) -> int:
        self.size += len(data)
        if self.record.size is not None and self.size > self.record.size:
            self.too_long = True
            raise ValueError("more bytes than the index says")
        self.sha256.update(data)
        if not self.record.sha256:
            self.md5.update(data)
        try:
            self.file.write(data)
        except OSError as error:
            self.error = error  # it comes back from the engine without its number
            raise
        self.reporter.advance("download", len(data), text=self.record.name)
        return len(data)

    def check(self) -> None:
        record = self.record
        if record.sha256:
            kind, expected, found = "sha256", record.sha256.lower(), self.sha256.hexdigest()
        else:
            kind, expected, found = "md5", str(record.raw["md5"]).lower(), self.md5.hexdigest()
        if expected != found or self.too_long:
            raise IntegrityError(
                f"{record.fn} from {record.channel} is not what the index says: {kind} {found[:16]}..., "
                f"expected {expected[:16]}... ({self.size} bytes"
                + (f" of {record.size})" if record.size is not None else ")"),
                hint="A broken download, a stale mirror or a changed package. Try again; if it stays, use another "
                "channel or mirror. Nothing was installed.",
            )


async def _download(
    record: Record,
    archive: Path,
    client: Client,
    policy: NetworkPolicy,
    reporter: Reporter,
) -> None:
    """Bring the archive to `archive`, verified. `file://` goes the same way: nobody else checks it there."""
    parts = urlsplit(record.url)
    if parts.scheme == "file":
        with archive.open("wb") as file:
            sink = _Sink(file, record, reporter)
            await asyncio.to_thread(_copy, Path(unquote(parts.path)), sink, record)
            sink.check()
        return
    if policy.offline:
        raise ChannelError(
            f"{record.fn} is not in the cache and --offline forbids to download it",
            hint="Run once without --offline; packages stay in the volume's cache.",
        )
    for attempt in range(policy.retries + 1):
        with archive.open("wb") as file:
            sink = _Sink(file, record, reporter)
            fault = await _transfer(client, record.url, sink, policy)
        if fault is None or sink.too_long:
            sink.check()
            return
        if sink.error is not None:
            raise sink.error
        reporter.advance("download", -sink.size)
        if attempt == policy.retries or "status client error" in fault:
            raise ChannelError(
                f"{record.fn} cannot be downloaded from {record.channel}: {redact(fault)}",
                hint="Check the network and the channel; run the same command again to go on where it stopped.",
            )
        await asyncio.sleep(min(2.0**attempt * policy.backoff_s, 30))


async def _transfer(client: Client, url: str, sink: _Sink, policy: NetworkPolicy) -> str | None:
    """One attempt; None when it went well, else what happened. Gives up when no byte comes for a while."""
    from rattler.package_streaming import download_to_writer

    task = asyncio.ensure_future(download_to_writer(client, url, sink))
    seen = -1
    while True:
        done, _ = await asyncio.wait({task}, timeout=policy.stall_s)
        if done:
            error = task.exception()
            return None if error is None else " ".join(str(error).split()) or type(error).__name__
        if sink.size == seen:
            task.cancel()
            return f"no data for {policy.stall_s:.0f} seconds"
        seen = sink.size


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
                break  # too long: the digest will say so


def _check_and_seal(record: Record, target: Path) -> None:
    """Check what the package would write, then take the right to write from its files.

    A file that cannot be written in place cannot carry an edit from one environment through its hard link into the
    cache and all others.
    """
    present: dict[str, bool] = {}
    wrong: list[str] = []
    for name, entry in cache.walk(target):
        present[name] = entry.is_symlink()
        if present[name]:
            fault = check_link_target(name, os.readlink(entry.path))
            if fault:
                wrong.append(fault)
        else:
            state = entry.stat(follow_symlinks=False)
            if not stat.S_ISREG(state.st_mode):
                wrong.append(f"{name!r} is neither a file nor a link")
                continue
            mode = 0o555 if state.st_mode & 0o111 else 0o444
            if stat.S_IMODE(state.st_mode) != mode:
                os.chmod(entry.path, mode)  # noqa: PTH101 - a DirEntry has no chmod
    paths = _read_json(target / "info" / "paths.json")
    if paths is None:  # packages of before 2017 have only info/files
        paths = {"paths": _listed(target / "info" / "files", present)}
    wrong += check_paths(paths.get("paths") if isinstance(paths, dict) else None, present)
    wrong += check_entry_points(_read_json(target / "info" / "link.json"))
    index = _read_json(target / "info" / "index.json")
    if not isinstance(index, dict) or (index.get("name"), index.get("version"), index.get("build")) != (
        record.name,
        record.version,
        record.build,
    ):
        wrong.append("its info/index.json names another package")
    wrong += _unreadable(target)
    if wrong:
        more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise IntegrityError(
            f"{record.fn} from {record.channel} is refused: {'; '.join(wrong[:3])}{more}",
            hint="The package would write where it must not, or is not what it says. Nothing of it was installed; "
            "tell the channel's maintainers, or choose another build.",
        )


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError):
        return {}


def _unreadable(target: Path) -> list[str]:
    """What the native installer could not read when it links the package."""
    from rattler import IndexJson, PathsJson
    from rattler.exceptions import IoError

    wrong = []
    for name, reader in (("index.json", IndexJson.from_path), ("paths.json", PathsJson.from_path)):
        path = target / "info" / name
        try:
            if path.exists():
                reader(path)
        except (IoError, OSError, ValueError) as error:
            wrong.append(f"its info/{name} cannot be read: {' '.join(str(error).split())}")
    return wrong


def _listed(path: Path, present: Mapping[str, bool]) -> list[dict[str, str]] | None:
    try:
        names = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    return [{"_path": name, "path_type": "softlink" if present.get(name) else "hardlink"} for name in names]

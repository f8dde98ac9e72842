"""The fetching of packages: each is downloaded, verified, extracted, checked and moved into the cache by one rename."""

from __future__ import annotations

import contextlib
import errno
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from envkit.errors import IntegrityError
from envkit.installer import cache
from envkit.installer.compiler import Compiler
from envkit.installer.conda_cache import take_archive, take_extracted
from envkit.installer.download import download, is_whole
from envkit.installer.extract import TooLargeError, extract_within
from envkit.installer.proof import keep_proof, prove
from envkit.installer.seal import check_and_seal, close_to_others
from envkit.layout.atomic import sync_file_system
from envkit.layout.private import Folder, folder
from envkit.layout.refusal import cannot_write, full_while, is_refused, numbered
from envkit.layout.space import is_full
from envkit.layout.trash import discard
from envkit.layout.trust import cache_mode, guards_caches
from envkit.layout.volume import Volume
from envkit.models.build import Record
from envkit.models.channel import redact
from envkit.models.network import NetworkPolicy
from envkit.models.progress import Reporter
from envkit.words.values import size_words

if TYPE_CHECKING:
    from rattler import Client

_PARALLEL = 6
_SYNC_S = 5.0


class Fetching:
    """The fetching of packages into the cache, several at a time.

    After a power cut, a name in the cache must mean a complete package, so syncfs precedes the renames. A sync for
    each package is slow, and one for all would lose every extraction when the process dies; so the ready ones are
    moved every few seconds. Their archives stay until then: a later run adopts them and downloads nothing twice.
    """

    def __init__(
        self, volume: Volume, folder: Folder, client: Client, policy: NetworkPolicy, reporter: Reporter
    ) -> None:
        import asyncio

        self.volume = volume
        self.folder = folder
        self.client = client
        self.policy = policy
        self.reporter = reporter
        self.changed: Sequence[Record] = ()
        self.caches: Sequence[Path] = ()
        self.taken: Counter[Path] = Counter()
        self.compiler: Compiler | None = None
        self.first: frozenset[str] = frozenset()  # what the compiler needs, as long as it is not in the cache
        self.ready: list[Record] = []
        self.busy = asyncio.Lock()
        self.last = time.monotonic()

    async def fetch_all(self, records: Sequence[Record]) -> None:
        """Fetch packages, several at a time; see `envkit.installer.fetch.fetch`."""
        import asyncio

        gate = asyncio.Semaphore(_PARALLEL)

        async def one(record: Record) -> None:
            async with gate:
                await self._fetch(record)
                self.ready.append(record)
                if record.name in self.first:
                    self.first -= {record.name}
                    if self.compiler is not None and not self.first:
                        await self._flush()
                        self.compiler.start()
                elif time.monotonic() - self.last > _SYNC_S:
                    await self._flush()

        tasks = [asyncio.ensure_future(one(record)) for record in sorted(records, key=self._turn)]
        try:
            await asyncio.gather(*tasks)
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with contextlib.suppress(OSError):  # report the first error
                await self._flush()
            raise
        await self._flush()

    def _turn(self, record: Record) -> tuple[bool, bool, int]:
        """Return the place in the order: what the compiler needs, small packages full of modules, the largest first."""
        pure = self.compiler is not None and record.raw.get("noarch") == "python"
        return record.name not in self.first, not pure, -(record.size or 0)

    async def _flush(self) -> None:
        """Move the ready packages into the cache."""
        import asyncio

        async with self.busy:
            ready, self.ready = self.ready, []
            if ready:
                await asyncio.to_thread(self._move, ready)
            self.last = time.monotonic()

    def _move(self, ready: Sequence[Record]) -> None:
        compiled = self.compiler.take_done() if self.compiler is not None else ()
        sync_file_system(self.volume.packages)
        with folder(self.volume.root, self.volume.packages) as packages:
            for record in ready:
                name, final = cache.key(record), cache.home_name(self.volume, record)
                try:
                    self.folder.move(name, packages, final)
                except OSError:
                    # An incomplete one is there, or a changed one, or the fault is another.
                    if record in self.changed or not cache.cached(self.volume, record):
                        discard(self.volume, self.volume.packages / final)
                        self.folder.move(name, packages, final)
                with contextlib.suppress(FileNotFoundError):  # taken from a cache that had it extracted
                    self.folder.unlink(cache.archive_name(record))
            packages.sync()
        if self.compiler is not None:
            self.compiler.keep(compiled)

    async def _fetch(self, record: Record) -> None:
        """Download, verify, extract and check a package in this run's own folder."""
        import asyncio

        from rattler.exceptions import ExtractError

        name, archive = cache.key(record), cache.archive_name(record)
        self.folder.enter(name, new=True, mode=cache_mode(self.volume)).close()
        place = self.folder.through  # the folder's own path may lead elsewhere by now
        target = Path(place, name, f"{record.name}-{record.version}-{record.build}")
        found = await asyncio.to_thread(self._look, record, target)
        if found == "package":
            await asyncio.to_thread(self._prove, record, target)
            return
        if found is None:
            began = time.monotonic()
            await download(record, (self.folder, archive), self.client, self.policy, self.reporter)
            self.reporter.detail(f"{redact(record.url)}: {size_words(record.size)} in {time.monotonic() - began:.2f} s")
        try:
            await extract_within(self.client, Path(place, archive), target)
        except TooLargeError as error:
            raise IntegrityError(
                f"{record.fn} from {record.channel} is refused: {size_words(record.size)} expand to more than "
                f"{size_words(error.size_bytes)}",
                hint="The archive is broken at its origin, or hostile. Nothing of it was kept; tell the channel's "
                "maintainers, or choose another build.",
            ) from error
        except (ExtractError, OSError) as error:
            # The bytes are what the index promised, so either the disk is full or the archive is broken at its origin.
            if is_full(self.volume, error):
                hint = "Free space, or choose another volume; complete packages are kept in the cache."
                raise full_while(self.volume, error, f"{record.fn} was extracted", hint=hint) from error
            refused = numbered(error)
            if refused is not None and refused.errno == errno.EFBIG:  # a limit of the process: `ulimit -f`
                raise refused from error
            if refused is not None and is_refused(refused):
                raise cannot_write(self.volume, refused) from error
            raise IntegrityError(
                f"{record.fn} from {record.channel} cannot be extracted: {redact(str(error))}",
                hint="The archive is broken at its origin. Tell the channel's maintainers, or choose another build.",
            ) from error
        await asyncio.to_thread(check_and_seal, record, target)
        await asyncio.to_thread(self._prove, record, target)

    def _look(self, record: Record, target: Path) -> Literal["archive", "package"] | None:
        """Look for the archive in this run's folder and in conda's caches, then there for the package itself."""
        place = (self.folder, cache.archive_name(record))
        if is_whole(*place, record, self.reporter):
            return "archive"
        origin = take_archive(self.caches, record, place, self.reporter)
        found: Literal["archive", "package"] = "archive"
        if origin is None:
            origin = take_extracted(self.volume, self.caches, record, target)
            if origin is None:
                return None
            found = "package"
            self.reporter.advance("download", record.size or 0, text=record.name)
        self.reporter.detail(f"{record.fn}: taken from {origin}")
        self.taken[origin] += 1
        return found

    def _prove(self, record: Record, target: Path) -> None:
        if guards_caches(self.volume):
            close_to_others(target)
        proof = prove(cache.key(record), target)
        with self.folder.enter(cache.key(record)) as home:
            keep_proof(proof, home)
        if self.compiler is not None:
            self.compiler.add(record, target)

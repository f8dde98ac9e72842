"""Fetch packages into the cache: download, verify, extract, check, and move each there by one rename."""

from __future__ import annotations

import contextlib
import errno
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from envkit.engines.network import make_client
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
from envkit.layout.refusal import cannot_write, full_while, is_refused, no_space, numbered
from envkit.layout.space import is_full
from envkit.layout.trash import discard
from envkit.layout.trust import cache_mode, guards_caches
from envkit.layout.volume import Volume
from envkit.models.build import Record
from envkit.models.channel import Channel, redact
from envkit.models.network import NetworkPolicy
from envkit.models.progress import Reporter
from envkit.words.values import plural, size_words

if TYPE_CHECKING:
    from rattler import Client


_PARALLEL = 6
_SYNC_S = 5.0
_SHOWN = 3


def fetch(
    volume: Volume,
    records: Sequence[Record],
    *,
    changed: Sequence[Record] = (),
    channels: Sequence[Channel],
    policy: NetworkPolicy,
    reporter: Reporter,
    caches: Sequence[Path] = (),
    compiler: Compiler | None = None,
) -> None:
    """Bring every package into the volume's cache; cached ones cost nothing.

    Args:
        changed: Those of them that are in the cache and have to be fetched again.
        caches: conda's own caches, which are looked into before anything is downloaded.
        compiler: Makes the bytecode of each package as soon as it is there.

    Raises:
        IntegrityError: An archive is not what the index says, or would write outside its prefix.
        ChannelError: A download failed.
        NoSpaceError: The volume is full. Complete packages stay in the cache.
    """
    missing = [record for record in records if not cache.cached(volume, record) or record in changed]
    wanted = {id(record) for record in missing}
    for record in records:
        reporter.detail(f"{record.fn}: {'to be fetched' if id(record) in wanted else 'in the cache'}")
    if not missing:
        if compiler is not None:
            compiler.begin((), None)
        return
    import asyncio

    _refuse_twins(records)
    if changed:
        names = ", ".join(record.name for record in changed[:_SHOWN]) + (", ..." if len(changed) > _SHOWN else "")
        reporter.note(f"{len(changed)} packages in the cache are not what was verified; fetched again: {names}")
    total = sum(record.size or 0 for record in missing)
    reporter.start("download", plural(len(missing), "package"), total=total, unit="B")
    with cache.incoming(volume) as mine:
        try:
            adopted = cache.adopt(volume, missing, mine)
            if adopted:
                reporter.note(f"took over {adopted} downloads of an interrupted run")
            run = _Run(volume, mine, make_client(policy, channels), policy, reporter)
            run.changed = changed
            run.caches = caches
            if compiler is not None:
                compiler.begin(missing, mine)
                run.compiler, run.first = compiler, compiler.first & {record.name for record in missing}
            asyncio.run(run.fetch_all(missing))
            for place, count in sorted(run.taken.items()):
                reporter.note(f"{plural(count, 'package')} taken from {place} (pkgs_dirs)")
        except OSError as error:
            if no_space(error):
                hint = (
                    f"{size_words(total)} were to be downloaded and about four times that extracted. Free "
                    "space, or choose another volume; complete packages are kept in the cache."
                )
                raise full_while(volume, error, "packages were fetched", hint=hint) from error
            raise
    reporter.finish("download", f"{plural(len(missing), 'package')}, {size_words(total)}")


def _refuse_twins(records: Sequence[Record]) -> None:
    """Refuse records that share the digest of one archive: one of them lies."""
    known: dict[str, Record] = {}
    for record in records:
        twin = known.setdefault(cache.key(record), record)
        if twin is not record:
            raise IntegrityError(
                f"{twin.fn} and {record.fn} of {redact(record.channel)} have one digest in the index",
                hint="The index is wrong. Tell the channel's maintainers, or choose another build. Nothing was "
                "installed.",
            )


class _Run:
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

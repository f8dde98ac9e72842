"""Link packages from the cache at a new path, and write the records of the environment (CEP 32)."""

from __future__ import annotations

import contextlib
import datetime
import json
import resource
import stat
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from envkit.errors import VolumeError
from envkit.installer import cache
from envkit.installer.hardlinks import LinkTarget, entered
from envkit.installer.hooks import write_hooks
from envkit.installer.modules import python_of
from envkit.installer.pin import write_pin
from envkit.installer.unchanged import Unchanged, complete_record, link_chunk, make_rest, read_unchanged
from envkit.layout.atomic import write_atomic
from envkit.layout.private import inner_bits
from envkit.layout.refusal import cannot_write, full_while, is_broken, numbered
from envkit.layout.space import is_full
from envkit.layout.trust import guards_caches
from envkit.layout.volume import Volume
from envkit.models.build import Record
from envkit.models.progress import Reporter
from envkit.process import usable_processors
from envkit.scratch import scratch
from envkit.values import dataclass
from envkit.words.values import plural

T = TypeVar("T")
_MOST_THREADS = 8

_FROZEN = (
    "This environment is a generation of envkit and is never changed in place. Make the next one with "
    "`envkit install -n NAME PACKAGE...` (from PyPI: `--pip PACKAGE`) or `envkit upgrade -n NAME`; `envkit list` shows "
    "the names."
)


def link(
    volume: Volume,
    records: Sequence[Record],
    prefix: Path,
    place: Path,
    *,
    requested: Sequence[str],
    reporter: Reporter,
    platform: str,
    hard_links: bool = True,
    beside: Callable[[], T],
) -> T:
    """Link packages from the volume's cache into the empty prefix of a claimed generation.

    Args:
        prefix: The path of the generation, which goes into files.
        place: A path to the same directory, by which they are written; see `envkit.layout.generation.Claimed`.
        requested: The MatchSpecs of the user.
        platform: Subdir of the prefix, which decides where noarch packages put their files.
        hard_links: Whether the volume has them. Then only files that linking changes go through the native engine.
        beside: Places other files in the prefix. It is called in another thread while packages are linked.

    Returns:
        The result of `beside`.

    Raises:
        NoSpaceError: The volume is full.
        VolumeError: The volume refuses a file.
    """
    import asyncio

    reporter.start("link", plural(len(records), "package"), total=len(records))
    try:
        with scratch() as packages, contextlib.ExitStack() as held:
            guarded = guards_caches(volume)
            if guarded:
                _allow_open_files(len(records))
            homes: list[tuple[Record, str]] = []
            for record in records:
                # The path of one may lead to another's by now; its descriptor does not.
                kept = held.enter_context(cache.open_package(volume, record)).through if guarded else None
                homes.append((record, kept or str(cache.package_dir(volume, record))))
            unchanged = None
            if hard_links and sys.platform == "linux" and platform.startswith("linux-"):
                unchanged = read_unchanged(homes, python_of(records))
            job = _Job(volume, packages, homes, (prefix, place), requested, reporter, platform)
            done = asyncio.run(job.link_whole(beside) if unchanged is None else job.link_apart(unchanged, beside))
        _write_records(place, records, requested)
        write_hooks(prefix, place)
        write_pin(prefix, place)
    except OSError as error:
        raise _translate(volume, error, (prefix, place)) from error
    reporter.finish("link", plural(len(records), "package"))
    return done


def _allow_open_files(count: int) -> None:
    """Raise the soft limit on open files by so many, as far as the hard one allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = soft + count
    if soft != resource.RLIM_INFINITY:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard)
        )


@dataclass(frozen=True, slots=True)
class _Job:
    """Packages that are linked."""

    volume: Volume
    packages: Path  # folder in which the native engine finds packages, and keeps its locks
    homes: Sequence[tuple[Record, str]]  # the packages, with their directories
    where: tuple[Path, Path]  # the prefix, and a path to it by which it is written
    requested: Sequence[str]
    reporter: Reporter
    platform: str

    async def link_whole(self, beside: Callable[[], T]) -> T:
        """Let the native engine link everything.

        One of its threads links each package, and the largest, which ends last, leaves the other processors idle: so
        `beside` is called when one package is left.
        """
        import asyncio

        # The engine keeps its locks beside the packages it links. They are this node's and this user's: a volume may
        # not lock, and others may put a link there. Names are the cache's for one environment.
        for record, home in self.homes:
            (self.packages / _dist(record)).symlink_to(home)
        loop = asyncio.get_running_loop()
        one_left = asyncio.Event()
        left = len(self.homes)

        def count() -> None:
            nonlocal left
            self.reporter.advance("link", 1)
            left -= 1
            if left == 1:
                loop.call_soon_threadsafe(one_left.set)

        installing = asyncio.ensure_future(self._install(count))
        waiting = asyncio.ensure_future(one_left.wait())
        await asyncio.wait({installing, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if installing.done():
            await installing  # raises its error
        placing = asyncio.ensure_future(asyncio.to_thread(beside))
        await asyncio.wait({installing, placing})
        placing.exception()  # retrieved, or asyncio would print it
        await installing
        self._mend_records(())
        return placing.result()

    async def link_apart(self, unchanged: Sequence[Unchanged], beside: Callable[[], T]) -> T:
        """Link what linking does not change, and let the native engine link the rest meanwhile."""
        import asyncio
        from concurrent.futures import ThreadPoolExecutor

        loop = asyncio.get_running_loop()
        homes = {id(record): home for record, home in self.homes}
        threads = min(_MOST_THREADS, usable_processors())
        with entered(str(self.where[1])) as descriptor, ThreadPoolExecutor(threads, "envkit-link") as pool:
            place = LinkTarget(descriptor)
            placing = loop.run_in_executor(pool, beside)  # first: it cannot be split among the threads
            working: list[Awaitable[object]] = [placing]
            try:
                for one in sorted(unchanged, key=lambda one: -len(one.entries)):
                    home = homes[id(one.record)]
                    parts = [loop.run_in_executor(pool, link_chunk, home, place, chunk) for chunk in one.chunks()]
                    working.append(asyncio.ensure_future(self._count(parts)))
                for one in unchanged:
                    make_rest(one, homes[id(one.record)], self.packages / one.name)
                working.append(asyncio.ensure_future(self._link_rest(unchanged)))
                await asyncio.gather(*working)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                await asyncio.gather(*working, return_exceptions=True)  # nothing may write there from here on
                raise
            return placing.result()

    async def _count(self, parts: Sequence[Awaitable[None]]) -> None:
        for part in parts:
            await part
        self.reporter.advance("link", 1)

    async def _link_rest(self, unchanged: Sequence[Unchanged]) -> None:
        import asyncio

        await self._install(lambda: None)
        await asyncio.to_thread(self._mend_records, unchanged)

    def _mend_records(self, unchanged: Sequence[Unchanged]) -> None:
        """Mend what the native engine wrote of the packages, and add files that it did not link."""
        script_mode = 0o700 | inner_bits(self.volume.root.stat().st_mode)
        ours = {f"{one.name}.json": one for one in unchanged}
        place = self.where[1]
        for path in (place / "conda-meta").glob("*.json"):
            state = path.lstat()
            if stat.S_ISREG(state.st_mode) and state.st_nlink == 1:  # never a link into the cache
                _mend_record(place, path, ours.get(path.name), script_mode)

    async def _install(self, linked: Callable[[], None]) -> None:
        """Let the native engine link what it finds in its folder; `linked` is called at the end of each package."""
        import rattler
        from rattler import exceptions
        from rattler.install import InstallerReporter

        from envkit.engines.rattler_native import to_rattler
        from envkit.engines.starved import unstarved

        class Progress(InstallerReporter):
            def on_link_complete(self, index: int) -> None:
                linked()

        layer = rattler.PackageCacheLayer(self.packages).with_validation_mode(rattler.ValidationMode.skip())
        try:
            client = rattler.Client()  # without certificates: nothing is fetched
            installing = rattler.install(
                to_rattler([record for record, _ in self.homes]),
                self.where[1],
                alternative_target_prefix=self.where[0],
                package_cache=rattler.PackageCache.from_layers([layer]),
                installed_packages=[],
                platform=rattler.Subdir(self.platform),
                execute_link_scripts=False,
                show_progress=False,
                client=client,
                requested_specs=[rattler.MatchSpec(s, strict=False)._match_spec for s in self.requested],  # noqa: SLF001 - it wants the inner ones
                reporter=Progress(),  # type: ignore[abstract]  # its empty methods are defaults
            )
            await unstarved(client, installing)
        except (
            exceptions.InstallerError,
            exceptions.LinkError,
            exceptions.TransactionError,
            exceptions.IoError,
            exceptions.ExtractError,
        ) as error:
            raise _translate(self.volume, error, self.where) from error


def _dist(record: Record) -> str:
    return f"{record.name}-{record.version}-{record.build}"


def _translate(volume: Volume, error: BaseException, where: tuple[Path, Path]) -> VolumeError:
    if is_full(volume, error):
        return full_while(volume, error, "packages were linked")
    refused = numbered(error)
    if refused is not None and is_broken(refused):
        return cannot_write(volume, refused)
    told = " ".join(str(error).split()).replace(str(where[1]), str(where[0]))
    return VolumeError(
        f"packages cannot be linked on {volume.root}: {told}",
        hint="Check the volume (permissions, read-only mount, locks on network file systems) and run it again.",
    )


def link_scripts(volume: Volume, records: Sequence[Record]) -> tuple[str, ...]:
    """List the link scripts of the packages. envkit does not run them; the manifest lists them."""
    found = []
    for record in records:
        folder = cache.package_dir(volume, record) / "bin"
        found += [f"{record.name}: bin/{p.name}" for p in folder.glob(f".{record.name}-*link.sh")]
    return tuple(sorted(found))


def _mend_record(prefix: Path, path: Path, unchanged: Unchanged | None, script_mode: int) -> None:
    """Complete the record of a package, set the mode of its entry points, and leave out digests of symbolic links.

    The native installer makes entry points with 0775, whatever the umask. It records the digest of the link's text;
    conda compares it with the digest of the file behind the link, so `conda doctor` would report every link as altered.
    Without a digest, conda checks the file alone.
    """
    from envkit.installer.paths_file import record_text

    text = path.read_bytes()
    added = unchanged is not None and bool(unchanged.entries)
    if not added and b'"softlink"' not in text and b'"unix_python_entry_point"' not in text:
        path.chmod(0o644)  # py-rattler writes it with 0600, unreadable for the group of a shared volume
        return
    record = json.loads(text)
    for entry in record["paths_data"]["paths"]:
        if entry.get("path_type") == "softlink":
            entry.pop("sha256_in_prefix", None)
        elif entry.get("path_type") == "unix_python_entry_point":
            script = prefix / entry["_path"]
            state = script.lstat()
            if stat.S_ISREG(state.st_mode) and state.st_nlink == 1:
                script.chmod(script_mode)
    if unchanged is not None:
        complete_record(record, unchanged)
    write_atomic(path, record_text(record), durable=False)


def _write_records(prefix: Path, records: Sequence[Record], requested: Sequence[str]) -> None:
    """Write the records of CEP 32 and CEP 22 that the native installer leaves out."""
    (prefix / "CACHEDIR.TAG").unlink(missing_ok=True)  # backup programs would skip the environment
    meta = prefix / "conda-meta"
    meta.mkdir(exist_ok=True)  # an environment without packages
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
    lines = [f"==> {now} <==", "# cmd: envkit create"]
    lines += [f"+{record.channel}/{record.subdir}::{record.name}-{record.version}-{record.build}" for record in records]
    lines.append(f"# update specs: {json.dumps(list(requested))}")
    write_atomic(meta / "history", "\n".join(lines) + "\n", durable=False)
    write_atomic(meta / "frozen", json.dumps({"message": _FROZEN}) + "\n", durable=False)
    for path in prefix.glob("lib/python3*/"):
        marker = path / "EXTERNALLY-MANAGED"  # PEP 668; a package's own stays as its record says
        if (path / "os.py").exists() and not marker.exists() and not marker.is_symlink():
            write_atomic(marker, f"[externally-managed]\nError={_FROZEN}\n", durable=False)

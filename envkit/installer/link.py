"""Link packages from the cache at a new path, and write the records of the environment (CEP 32)."""

from __future__ import annotations

import datetime
import json
import os
import stat
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Generic, TypeVar

from envkit.errors import VolumeError
from envkit.installer import cache
from envkit.installer.ahead import Ahead
from envkit.installer.hooks import write_hooks
from envkit.installer.pin import write_pin
from envkit.installer.unchanged import Unchanged, complete_record, link_chunk
from envkit.layout.atomic import write_atomic
from envkit.layout.disk import BLOCK
from envkit.layout.inventory import Held, Origins
from envkit.layout.private import inner_bits
from envkit.layout.refusal import cannot_write, full_while, is_broken, numbered
from envkit.layout.space import is_full
from envkit.layout.volume import Volume
from envkit.models.build import Record
from envkit.models.progress import Reporter
from envkit.process import usable_processors
from envkit.values import dataclass
from envkit.words.values import plural

if TYPE_CHECKING:
    from envkit.installer.proof import Verified

T = TypeVar("T")
_MOST_THREADS = 8

_FROZEN = (
    "This environment is a generation of envkit and is never changed in place. Make the next one with "
    "`envkit install -n NAME PACKAGE...` (from PyPI: `--pip PACKAGE`) or `envkit upgrade -n NAME`; `envkit list` shows "
    "the names."
)


def link(
    volume: Volume,
    ahead: Ahead[T],
    where: tuple[Path, Path],
    *,
    requested: Sequence[str],
    reporter: Reporter,
    verified: Mapping[str, Verified] = MappingProxyType({}),
    known: Origins | None = None,
) -> T:
    """Link packages from the volume's cache into the empty prefix of a claimed generation.

    Args:
        ahead: What was begun of it.
        where: The path of the generation, which goes into files, and the path by which they are written; see
            `envkit.layout.generation.Claimed`.
        requested: The MatchSpecs of the user.
        verified: What was found when packages were verified, by key.
        known: Takes what was linked from where.

    Returns:
        The result of what places other files beside.

    Raises:
        NoSpaceError: The volume is full.
        VolumeError: The volume refuses a file.
    """
    import asyncio

    records, place = ahead.records, where[1]
    reporter.start("link", plural(len(records), "package"), total=len(records))
    try:
        ahead.check(verified)
        job = _Job(volume, ahead, where, requested, reporter)
        if ahead.unchanged is None:
            done = asyncio.run(job.link_whole())
        else:
            done = asyncio.run(job.link_apart(ahead.unchanged))
        _write_records(place, records, requested)
        if known is not None:
            _note_origins(volume, ahead, verified, known)
            known.until_ns = os.lstat(place / "conda-meta" / "history").st_mtime_ns
        write_hooks(where[0], place)
        write_pin(where[0], place)
    except OSError as error:
        raise _translate(volume, error, where) from error
    reporter.finish("link", plural(len(records), "package"))
    return done


def _note_origins(volume: Volume, ahead: Ahead[T], verified: Mapping[str, Verified], known: Origins) -> None:
    """Note the packages whose files were linked one by one, with their disk space."""
    if ahead.unchanged is None or not ahead.target.exact:
        known.forget()
        return
    homes = {id(record): home for record, home in ahead.homes}
    for one in ahead.unchanged:
        found = verified.get(cache.key(one.record))
        if found is None or found.held is None or any(entry.path_type == "directory" for entry in one.rest):
            known.whole = False
            continue
        home = homes[id(one.record)]
        others = [os.lstat(f"{home}/{entry.path}") for entry in one.rest]
        size = found.held.size_bytes - sum(state.st_blocks for state in others) * BLOCK
        held = Held(size, found.held.inodes - len(others))
        if held.inodes != len(one.entries):  # it has files that its list does not tell
            known.whole = False
            continue
        files = ((outside, names) for (_, outside), names in one.folders.items())
        known.add(f"pkgs/{cache.home_name(volume, one.record)}", held, files)
    if known.whole:
        known.folders = _folders(ahead.target.made, (path for one in ahead.unchanged for path in one.rest_targets))


def _folders(made: Collection[str], others: Iterable[str]) -> dict[str, list[str]]:
    """Return folders that were made, with the names of those in them; without those that lead to one of `others`."""
    leading: set[str] = {""}
    for path in others:
        inner = path.rpartition("/")[0]
        while inner not in leading:
            leading.add(inner)
            inner = inner.rpartition("/")[0]
    found: dict[str, list[str]] = {path: [] for path in made if path not in leading}
    for path in found:
        inner, _, name = path.rpartition("/")
        if inner in found:
            found[inner].append(name)
    return found


@dataclass(frozen=True, slots=True)
class _Job(Generic[T]):
    """Packages that are linked."""

    volume: Volume
    ahead: Ahead[T]  # the packages, with their directories, and what was done
    where: tuple[Path, Path]  # the prefix, and a path to it by which it is written
    requested: Sequence[str]
    reporter: Reporter

    async def link_whole(self) -> T:
        """Let the native engine link everything.

        One of its threads links each package, and the largest, which ends last, leaves the other processors idle: so
        other files are placed when one package is left.
        """
        import asyncio

        loop = asyncio.get_running_loop()
        one_left = asyncio.Event()
        left = len(self.ahead.homes)

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
        placing = asyncio.ensure_future(asyncio.to_thread(self.ahead.place_beside))
        await asyncio.wait({installing, placing})
        placing.exception()  # retrieved, or asyncio would print it
        await installing
        self.ahead.drop()
        self._mend_records(())
        return placing.result()

    async def link_apart(self, unchanged: Sequence[Unchanged]) -> T:
        """Link what linking does not change, and let the native engine link the rest meanwhile."""
        import asyncio
        from concurrent.futures import ThreadPoolExecutor

        loop = asyncio.get_running_loop()
        homes = {id(record): home for record, home in self.ahead.homes}
        place = self.ahead.target
        with ThreadPoolExecutor(min(_MOST_THREADS, usable_processors()), "envkit-link") as pool:
            placing = loop.run_in_executor(pool, self.ahead.place_beside)  # first: it cannot be split among the threads
            working: list[Awaitable[object]] = [placing, asyncio.ensure_future(self._link_rest(unchanged))]
            try:
                for one in sorted(unchanged, key=lambda one: -len(one.entries)):
                    home = homes[id(one.record)]
                    parts = [loop.run_in_executor(pool, link_chunk, home, place, chunk) for chunk in one.chunks()]
                    working.append(asyncio.ensure_future(self._count(parts)))
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
        self.ahead.drop()
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

        from envkit.engines.starved import unstarved

        class Progress(InstallerReporter):
            def on_link_complete(self, index: int) -> None:
                linked()

        layer = rattler.PackageCacheLayer(self.ahead.packages).with_validation_mode(rattler.ValidationMode.skip())
        try:
            client, records = self.ahead.engine()
            installing = rattler.install(
                records,
                self.where[1],
                alternative_target_prefix=self.where[0],
                package_cache=rattler.PackageCache.from_layers([layer]),
                installed_packages=[],
                platform=rattler.Subdir(self.ahead.platform),
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

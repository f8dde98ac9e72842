"""Link packages from the cache at a new path, and write the records of the environment (CEP 32)."""

from __future__ import annotations

import contextlib
import datetime
import json
import resource
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from envkit.errors import VolumeError
from envkit.installer import cache
from envkit.installer.hooks import write_hooks
from envkit.installer.pin import write_pin
from envkit.layout.atomic import write_atomic
from envkit.layout.private import inner_bits
from envkit.layout.refusal import cannot_write, full_while, is_broken, numbered
from envkit.layout.space import is_full
from envkit.layout.trust import guards_caches
from envkit.layout.volume import Volume
from envkit.models.build import Record
from envkit.models.progress import Reporter
from envkit.scratch import scratch
from envkit.words.values import plural

T = TypeVar("T")

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
    beside: Callable[[], T],
) -> T:
    """Link packages from the volume's cache into the empty prefix of a claimed generation.

    Args:
        prefix: The path of the generation, which goes into files.
        place: A path to the same directory, by which they are written; see `envkit.layout.generation.Claimed`.
        requested: The MatchSpecs of the user.
        platform: Subdir of the prefix, which decides where noarch packages put their files.
        beside: Places other files in the prefix. It is called in another thread when one package is left: one thread
            links each package, and the largest, which ends last, leaves the other processors idle.

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
            # The native engine keeps its locks beside the packages it links. They are this node's and this user's:
            # a volume may not lock, and others may put a link there. Names are the cache's for one environment.
            for record in records:
                package = cache.package_dir(volume, record)
                # The path of one may lead to another's by now; its descriptor does not.
                kept = held.enter_context(cache.open_package(volume, record)).through if guarded else package
                (packages / package.name).symlink_to(kept)
            done = asyncio.run(_link(volume, packages, records, (prefix, place), requested, reporter, platform, beside))
        _finish_records(place, records, requested, script_mode=0o700 | inner_bits(volume.root.stat().st_mode))
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


async def _link(
    volume: Volume,
    packages: Path,
    records: Sequence[Record],
    where: tuple[Path, Path],
    requested: Sequence[str],
    reporter: Reporter,
    platform: str,
    beside: Callable[[], T],
) -> T:
    import asyncio

    import rattler
    from rattler import exceptions
    from rattler.install import InstallerReporter

    from envkit.engines.rattler_native import to_rattler

    layer = rattler.PackageCacheLayer(packages).with_validation_mode(rattler.ValidationMode.skip())
    loop = asyncio.get_running_loop()
    one_left = asyncio.Event()
    left = len(records)

    class Progress(InstallerReporter):
        def on_link_complete(self, index: int) -> None:
            nonlocal left
            reporter.advance("link", 1)
            left -= 1
            if left == 1:
                loop.call_soon_threadsafe(one_left.set)

    installing = asyncio.ensure_future(
        rattler.install(
            to_rattler(records),
            where[1],
            alternative_target_prefix=where[0],
            package_cache=rattler.PackageCache.from_layers([layer]),
            installed_packages=[],
            platform=rattler.Subdir(platform),
            execute_link_scripts=False,
            show_progress=False,
            requested_specs=[rattler.MatchSpec(s, strict=False)._match_spec for s in requested],  # noqa: SLF001 - it wants the inner ones
            reporter=Progress(),  # type: ignore[abstract]  # its empty methods are defaults
        )
    )
    waiting = asyncio.ensure_future(one_left.wait())
    try:
        await asyncio.wait({installing, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if installing.done():
            await installing  # raises its error
        placing = asyncio.ensure_future(asyncio.to_thread(beside))
        await asyncio.wait({installing, placing})
        placing.exception()  # retrieved, or asyncio would print it
        await installing
        return placing.result()
    except (
        exceptions.InstallerError,
        exceptions.LinkError,
        exceptions.TransactionError,
        exceptions.IoError,
        exceptions.ExtractError,
    ) as error:
        raise _translate(volume, error, where) from error


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


def _mend_package(prefix: Path, path: Path, script_mode: int) -> None:
    """Set the mode of a package's entry points, and remove the digests of symbolic links from its record.

    The native installer makes entry points with 0775, whatever the umask. It records the digest of the link's text;
    conda compares it with the digest of the file behind the link, so `conda doctor` would report every link as altered.
    Without a digest, conda checks the file alone.
    """
    text = path.read_bytes()
    if b'"softlink"' not in text and b'"unix_python_entry_point"' not in text:
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
    write_atomic(path, json.dumps(record, indent=2, ensure_ascii=False) + "\n", durable=False)


def _finish_records(prefix: Path, records: Sequence[Record], requested: Sequence[str], *, script_mode: int) -> None:
    """Write the records of CEP 32 and CEP 22 that the native installer leaves out, and mend what it wrote."""
    (prefix / "CACHEDIR.TAG").unlink(missing_ok=True)  # backup programs would skip the environment
    meta = prefix / "conda-meta"
    meta.mkdir(exist_ok=True)  # an environment without packages
    for path in meta.glob("*.json"):
        state = path.lstat()
        if stat.S_ISREG(state.st_mode) and state.st_nlink == 1:  # never a link into the cache
            path.chmod(0o644)  # py-rattler writes it with 0600, unreadable for the group of a shared volume
            _mend_package(prefix, path, script_mode)
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

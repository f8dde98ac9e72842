"""Link packages from the cache at a new path, and write the records of the environment (CEP 32)."""

from __future__ import annotations

import asyncio
import datetime
import json
import stat
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from envkit.engines.rattler import to_rattler
from envkit.errors import IntegrityError, NoSpaceError, VolumeError
from envkit.installer import cache
from envkit.installer.hooks import write_hooks
from envkit.installer.write import write_beside
from envkit.layout.refusal import what_is_full
from envkit.layout.space import is_full
from envkit.layout.volume import Volume
from envkit.models.build import Record
from envkit.models.progress import Reporter

__all__ = ["link", "link_scripts"]

T = TypeVar("T")

_FROZEN = (
    "This environment is a generation of envkit and is never changed in place. Make the next one with "
    "`envkit install -n NAME PACKAGE...` or `envkit upgrade -n NAME`; `envkit list` shows the names."
)


def link(
    volume: Volume,
    records: Sequence[Record],
    prefix: Path,
    *,
    requested: Sequence[str],
    reporter: Reporter,
    platform: str | None = None,
    beside: Callable[[], T],
) -> T:
    """Link packages from the volume's cache into an empty prefix.

    Args:
        volume: The volume of the cache.
        records: The packages; each is in the cache.
        prefix: The empty directory of the claimed generation. Its path is baked into the files.
        requested: The MatchSpecs of the user.
        reporter: Told of each package.
        platform: Subdir of the prefix, which decides where noarch packages put their files; this host's when None.
        beside: Places other files in the prefix. It is called in another thread when one package is left: one thread
            links each package, and the largest, which ends last, leaves the other processors idle.

    Returns:
        The result of `beside`.

    Raises:
        NoSpaceError: The volume is full.
        VolumeError: The volume refuses a file.
    """
    reporter.start("link", f"{len(records)} packages", total=len(records))
    try:
        with tempfile.TemporaryDirectory(prefix="envkit-") as folder:
            done = asyncio.run(_link(volume, records, prefix, requested, Path(folder), reporter, platform, beside))
        _finish_records(prefix, records, requested)
        write_hooks(prefix)
    except OSError as error:
        raise _translate(volume, error) from error
    reporter.finish("link", f"{len(records)} packages")
    return done


class _LinkReporter:
    """The native installer's callbacks. Only links matter, since nothing is downloaded here."""

    def __init__(self, reporter: Reporter, count: int, one_left: Callable[[], object]) -> None:
        self.reporter = reporter
        self.left = count
        self.one_left = one_left

    def on_transaction_start(self, total_operations: int) -> None:
        pass

    def on_transaction_operation_start(self, operation: int) -> None:
        pass

    def on_populate_cache_start(self, operation: int, package_name: str) -> int:
        return 0

    def on_validate_start(self, cache_entry: int) -> int:
        return 0

    def on_validate_complete(self, validate_idx: int) -> None:
        pass

    def on_download_start(self, cache_entry: int) -> int:
        return 0

    def on_download_progress(self, download_idx: int, progress: int, total: int | None) -> None:
        pass

    def on_download_completed(self, download_idx: int) -> None:
        pass

    def on_populate_cache_complete(self, cache_entry: int) -> None:
        pass

    def on_unlink_start(self, operation: int, package_name: str) -> int:
        return 0

    def on_unlink_complete(self, index: int) -> None:
        pass

    def on_link_start(self, operation: int, package_name: str) -> int:
        return 0

    def on_link_complete(self, index: int) -> None:
        self.reporter.advance("link", 1)
        self.left -= 1
        if self.left == 1:
            self.one_left()

    def on_transaction_operation_complete(self, operation: int) -> None:
        pass

    def on_transaction_complete(self) -> None:
        pass

    def on_post_link_start(self, package_name: str, script_path: str) -> int:
        return 0

    def on_post_link_complete(self, index: int, success: bool) -> None:  # noqa: FBT001
        pass

    def on_pre_unlink_start(self, package_name: str, script_path: str) -> int:
        return 0

    def on_pre_unlink_complete(self, index: int, success: bool) -> None:  # noqa: FBT001
        pass


async def _link(
    volume: Volume,
    records: Sequence[Record],
    prefix: Path,
    requested: Sequence[str],
    folder: Path,
    reporter: Reporter,
    platform: str | None,
    beside: Callable[[], T],
) -> T:
    import rattler
    from rattler import exceptions

    # One layer for each package, filtered to its name: the cache is addressed by content (see `cache`).
    layers = [
        rattler.PackageCacheLayer(cache.package_dir(volume, record).parent)
        .with_validation_mode(rattler.ValidationMode.skip())
        .with_filter(rattler.MatchSpec(record.name, strict=False))
        for record in records
    ]
    loop = asyncio.get_running_loop()
    one_left = asyncio.Event()
    installing = asyncio.ensure_future(
        rattler.install(
            to_rattler(records, folder),
            prefix,
            package_cache=rattler.PackageCache.from_layers(layers),
            installed_packages=[],
            platform=rattler.Subdir(platform) if platform else None,
            execute_link_scripts=False,
            show_progress=False,
            requested_specs=[rattler.MatchSpec(s, strict=False)._match_spec for s in requested],  # noqa: SLF001 - it wants the inner ones
            reporter=_LinkReporter(reporter, len(records), lambda: loop.call_soon_threadsafe(one_left.set)),
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
        raise _translate(volume, error) from error


def _translate(volume: Volume, error: BaseException) -> VolumeError | IntegrityError:
    if is_full(volume, error):
        return NoSpaceError(
            f"{what_is_full(volume, error)} while packages were linked",
            hint="Free space or inodes, or choose another volume. The packages are in the cache and stay there.",
        )
    return VolumeError(
        f"packages cannot be linked on {volume.root}: {' '.join(str(error).split())}",
        hint="Check the volume (permissions, read-only mount, locks on network file systems) and run it again.",
    )


def link_scripts(volume: Volume, records: Sequence[Record]) -> tuple[str, ...]:
    """List the link scripts of the packages. envkit does not run them; the manifest lists them."""
    found = []
    for record in records:
        folder = cache.package_dir(volume, record) / "bin"
        found += [f"{record.name}: bin/{p.name}" for p in folder.glob(f".{record.name}-*link.sh")]
    return tuple(sorted(found))


def _forget_link_digests(path: Path) -> None:
    """Remove the digests of symbolic links from a package's record.

    The native installer records the digest of the link's text; conda compares it with the digest of the file behind the
    link, so `conda doctor` would report every link as altered. Without a digest, conda checks the file alone.
    """
    text = path.read_bytes()
    if b'"softlink"' not in text:
        return
    record = json.loads(text)
    for entry in record["paths_data"]["paths"]:
        if entry.get("path_type") == "softlink":
            entry.pop("sha256_in_prefix", None)
    write_beside(path, json.dumps(record, indent=2, ensure_ascii=False) + "\n")


def _finish_records(prefix: Path, records: Sequence[Record], requested: Sequence[str]) -> None:
    """Write the records of CEP 32 and CEP 22 that the native installer leaves out."""
    (prefix / "CACHEDIR.TAG").unlink(missing_ok=True)  # backup programs would skip the environment
    meta = prefix / "conda-meta"
    meta.mkdir(exist_ok=True)  # an environment without packages
    for path in meta.glob("*.json"):
        state = path.lstat()
        if stat.S_ISREG(state.st_mode) and state.st_nlink == 1:  # never a link into the cache
            path.chmod(0o644)  # py-rattler writes it with 0600, unreadable for the group of a shared volume
            _forget_link_digests(path)
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
    lines = [f"==> {now} <==", "# cmd: envkit create"]
    lines += [f"+{record.channel}/{record.subdir}::{record.name}-{record.version}-{record.build}" for record in records]
    lines.append(f"# update specs: {json.dumps(list(requested))}")
    write_beside(meta / "history", "\n".join(lines) + "\n")
    write_beside(meta / "frozen", json.dumps({"message": _FROZEN}) + "\n")
    for path in prefix.glob("lib/python3*/"):
        marker = path / "EXTERNALLY-MANAGED"  # PEP 668; a package's own stays as its record says
        if (path / "os.py").exists() and not marker.exists() and not marker.is_symlink():
            write_beside(marker, f"[externally-managed]\nError={_FROZEN}\n")

"""Begin to link while packages are still verified: read their lists and make folders.

A list that is read here counts if it turns out to be the one that was verified; files are linked only then. The folders
are in a generation that nobody else may enter, and that goes if anything is refused. Bytecode has owners and lists of
its own (`envkit.installer.bytecode`).
"""

from __future__ import annotations

import contextlib
import resource
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Generic, TypeVar

from envkit.errors import TamperedError, VolumeError
from envkit.installer import cache
from envkit.installer.hardlinks import LinkTarget, link_target
from envkit.installer.modules import python_of
from envkit.installer.unchanged import Unchanged, make_rest, read_unchanged
from envkit.layout.refusal import no_space
from envkit.layout.trust import guards_caches
from envkit.layout.volume import Volume
from envkit.models.build import Record
from envkit.scratch import scratch

if TYPE_CHECKING:
    from rattler import Client, RepoDataRecord

    from envkit.installer.proof import Verified

T = TypeVar("T")


class Ahead(Generic[T]):
    """The beginning of linking packages into an empty directory.

    Attributes:
        records: The packages.
        platform: Subdir of the prefix.
        homes: The packages with their directories; empty before all are cached.
        target: The directory.
        unchanged: What is linked as it is; None if the native engine links everything.
        packages: The folder in which the native engine finds what it links, and keeps its locks.
    """

    def __init__(
        self,
        volume: Volume,
        records: Sequence[Record],
        place: Path,
        beside: Callable[[LinkTarget], T],
        *,
        platform: str,
        hard_links: bool = True,
    ) -> None:
        """Prepare to link.

        Args:
            volume: The volume.
            records: The packages.
            place: A path to the prefix, by which it is written; see `envkit.layout.generation.Claimed`.
            beside: Places other files there. It is called once.
            platform: Subdir of the prefix, which decides where noarch packages put their files.
            hard_links: Whether the volume has them. Else the native engine links everything.
        """
        self.records = records
        self.platform = platform
        self.homes: list[tuple[Record, str]] = []
        self.unchanged: list[Unchanged] | None = None
        self._volume = volume
        self._beside = beside
        self._placed: tuple[T] | None = None
        self._apart = hard_links and sys.platform == "linux" and platform.startswith("linux-")
        self._place = place
        self._stack = contextlib.ExitStack()
        self._fault: OSError | None = None
        self._engine: tuple[Client, list[RepoDataRecord]] | None = None
        self._dropping: Thread | None = None
        self._readings = 0

    def __enter__(self) -> Ahead[T]:
        """Open the prefix.

        Raises:
            VolumeError: There is no folder for temporary files.
        """
        with contextlib.ExitStack() as stack:
            self.target = stack.enter_context(link_target(self._place))
            stack.callback(self._join)
            self._scratch = stack.enter_context(contextlib.ExitStack())
            self._folder = self.packages = self._scratch.enter_context(scratch())
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Close what was opened."""
        self._stack.close()

    def begin(self) -> None:
        """Do what can be done; the packages are cached.

        A fault of the disk is raised when packages are linked.

        Raises:
            NoSpaceError: The volume is full.
        """
        from envkit.installer import paths_file  # noqa: F401 - what linking imports takes as long as all else

        try:
            if self._apart:
                with contextlib.suppress(TamperedError, FileNotFoundError):  # it is fetched again
                    self._read()
                for one in self.unchanged or ():
                    for _, folder in one.folders:
                        self.target.make(folder)
                if self.unchanged is not None:
                    self.place_beside()
        except OSError as error:
            self._fault = error

    def _read(self) -> None:
        """Open the packages, read their lists and make of each what the native engine has to link."""
        homes = []
        self.unchanged = None
        guarded = guards_caches(self._volume)
        if guarded:
            _allow_open_files(len(self.records))
        for record in self.records:
            # The path of one may lead to another's by now; its descriptor does not.
            kept = self._stack.enter_context(cache.open_package(self._volume, record)).through if guarded else None
            homes.append((record, kept or str(cache.package_dir(self._volume, record))))
        self.homes = homes
        unchanged = read_unchanged(homes, python_of(self.records)) if self._apart else None
        self._readings += 1
        self.packages = self._folder / str(self._readings)
        try:
            self._describe(unchanged, homes)
        except OSError as error:
            if not no_space(error):
                raise
            raise VolumeError(
                f"no space left in {self._folder.parent}, the folder for temporary files",
                hint="Free some there, or name another folder with some space in TMPDIR.",
            ) from error
        self.unchanged = unchanged

    def _describe(self, unchanged: Sequence[Unchanged] | None, homes: Sequence[tuple[Record, str]]) -> None:
        """Make the folder in which the native engine finds what it links."""
        self.packages.mkdir()
        if unchanged is None:
            for record, home in homes:
                (self.packages / f"{record.name}-{record.version}-{record.build}").symlink_to(home)
        else:
            for one, (_, home) in zip(unchanged, homes, strict=True):
                make_rest(one, home, self.packages / one.name)

    def check(self, verified: Mapping[str, Verified]) -> None:
        """Read all lists again if one of them is not that of `verified`, by key; its folders go.

        Raises:
            OSError: A package cannot be read, or a folder could not be made.
        """
        lists = [(verified.get(cache.key(one.record)), one) for one in self.unchanged or ()]
        if self.unchanged is None or not all(known and known.paths == one.list_sha256 for known, one in lists):
            self.target.unmake()
            self._read()
        elif self._fault is not None:
            raise self._fault

    def engine(self) -> tuple[Client, list[RepoDataRecord]]:
        """Return a client of the native engine, which fetches nothing, and its records of the packages."""
        if self._engine is None:
            import rattler

            from envkit.engines.rattler_native import to_rattler

            self._engine = rattler.Client(), to_rattler(self.records)  # without certificates: nothing is fetched
        return self._engine

    def drop(self) -> None:
        """Remove what the native engine found and wrote in its folder, in a thread: all is linked."""
        dropping = Thread(target=self._scratch.close, name="envkit-drop")
        with contextlib.suppress(RuntimeError):  # no thread is left (ulimit -u): it is removed at the end
            dropping.start()
            self._dropping = dropping

    def _join(self) -> None:
        if self._dropping is not None:
            self._dropping.join()

    def place_beside(self) -> T:
        """Place the other files, unless that was done, and return what that returned."""
        if self._placed is None:
            self._placed = (self._beside(self.target),)
        return self._placed[0]


def _allow_open_files(count: int) -> None:
    """Raise the soft limit on open files by so many, as far as the hard one allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = soft + count
    if soft != resource.RLIM_INFINITY:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard)
        )

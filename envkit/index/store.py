"""The index store: what channels have of some names, from indexes on this machine that may be used.

Indexes are fetched by the native engine and kept in its cache. The store splits each once and reads it by name. Where
it cannot tell everything that the native engine would tell, it tells nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from envkit.builds.record import record_from_repodata
from envkit.index.cached import CachedIndex, Notes, read_notes
from envkit.index.entry import UnusualError
from envkit.index.flat import FlatIndex, is_simple, open_flat, split_flat
from envkit.index.subset import Subset, write_subset
from envkit.index.table import DamagedError
from envkit.models.build import Record
from envkit.scratch import scratch
from envkit.values import dataclass, field

Opened = list[tuple[str, FlatIndex]]
"""Open indexes, each with the URL of its channel."""


@dataclass(slots=True)
class IndexStore:
    """The indexes of some channels.

    Attributes:
        channels: Their URLs, without credentials.
        folder: The cache of indexes.
        ask: Asks servers whether indexes changed; returns False where one did, or where they cannot be asked so.
        offline: Whether indexes may be used however old they are.
        checked: The platforms whose indexes are known to be current: the native engine has just read them.
        trouble: Why an index could not be split, other than by its content.
    """

    channels: Sequence[str]
    folder: Path
    ask: Callable[[Sequence[tuple[CachedIndex, Notes]]], bool]
    offline: bool = False
    checked: set[tuple[str, ...]] = field(default_factory=set)
    trouble: OSError | None = None
    _opened: dict[tuple[str, ...], Opened | None] = field(default_factory=dict)

    def records(self, names: Iterable[str], platforms: Sequence[str]) -> list[Record] | None:
        """Return every record of these names, in the order of channels and platforms; None if that is not known."""
        indexes = self.open(platforms)
        if indexes is None:
            return None
        wanted = sorted({name.lower() for name in names})
        try:
            return [
                record_from_repodata(members, file, channel, index.subdir)
                for channel, index in indexes
                for name in wanted
                for file, members in index.records(name)
            ]
        except (UnusualError, DamagedError, OSError):
            return None

    def names(self, platforms: Sequence[str]) -> frozenset[str] | None:
        """Return the name of every package; None if that is not known."""
        indexes = self.open(platforms)
        return None if indexes is None else frozenset(n.lower() for _, index in indexes for n in index.table.listed())

    def identity(self, platforms: Sequence[str]) -> str | None:
        """Return a text that changes with the content of an index; None if that is not known."""
        indexes = self.open(platforms)
        if indexes is None:
            return None
        return "\n".join(f"{channel} {index.subdir} {index.table.identity}" for channel, index in indexes)

    def reach(self, names: Iterable[str], platforms: Sequence[str]) -> list[str] | None:
        """Return these names and all that their records may need, transitively; None if that is not known."""
        indexes = self.open(platforms)
        if indexes is None:
            return None
        found = dict.fromkeys(name.lower() for name in names)
        waiting = list(found)
        try:
            while waiting:
                name = waiting.pop()
                for _, index in indexes:
                    fresh = [other for other in index.table.depends(name) if other not in found]
                    found.update(dict.fromkeys(fresh))
                    waiting += fresh
        except DamagedError:
            return None
        return sorted(found)

    @contextmanager
    def subsets(self, names: Iterable[str], platforms: Sequence[str]) -> Iterator[list[Subset] | None]:
        """Write what these names may need of each index, transitively, as a small one; None if that is not known."""
        reached = self.reach(names, platforms)
        if reached is None:
            yield None
            return
        with scratch() as folder:
            try:
                written = [
                    Subset(channel, index.subdir, write_subset(index, reached, folder / f"{at}.json"))
                    for at, (channel, index) in enumerate(self.open(platforms) or ())
                ]
            except (DamagedError, OSError):
                written = None
            yield written

    def open(self, platforms: Sequence[str]) -> Opened | None:
        """Open the index of each platform of each channel; None if one is not here or may have changed."""
        key = tuple(platforms)
        if self._opened.get(key) is None:
            self._opened[key] = self._open(platforms)
        return self._opened[key]

    def _open(self, platforms: Sequence[str]) -> Opened | None:
        opened: Opened = []
        asked: list[tuple[CachedIndex, Notes]] = []
        wanted: list[tuple[str, str, CachedIndex]] = []
        for channel, subdir, index in self._indexes(platforms):
            if index is None:
                return None
            if index.is_local:
                if subdir != "noarch" and not index.path.exists():
                    continue
            else:
                notes = read_notes(index)
                if notes is None or not index.lacks_shards():
                    return None
                if not (self.offline or tuple(platforms) in self.checked or notes.is_fresh):
                    asked.append((index, notes))
            wanted.append((channel, subdir, index))
        if asked and not self.ask(asked):
            return None
        for channel, subdir, index in wanted:
            flat = open_flat(index, subdir)
            if flat is None:
                self._split(index)
                flat = open_flat(index, subdir)
            if flat is None or not is_simple(flat.table.info):
                return None
            opened.append((channel, flat))
        return opened

    def fill(self, platforms: Sequence[str]) -> None:
        """Split the indexes that the native engine has just read, where that has not been done."""
        self.checked.add(tuple(platforms))
        for _, _, index in self._indexes(platforms):
            if index is not None:
                self._split(index)

    def _split(self, index: CachedIndex) -> None:
        if self.trouble is None:
            try:
                split_flat(index)
            except OSError as error:
                self.trouble = error

    def _indexes(self, platforms: Sequence[str]) -> list[tuple[str, str, CachedIndex | None]]:
        return [(c.rstrip("/"), s, CachedIndex.of(c, s, self.folder)) for c in self.channels for s in platforms]

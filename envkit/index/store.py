"""The index store: what channels have of some names, from indexes on this machine that may be used.

Indexes are fetched by the native engine and kept in its cache. The store splits each flat one once and reads it by
name, and reads the shards of others. Where it cannot tell everything that the native engine would tell, it tells
nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from envkit.builds.record import record_from_repodata
from envkit.index.cached import CachedIndex, Notes, read_absence, read_notes, suspect_absence
from envkit.index.entry import UnusualError
from envkit.index.flat import FlatIndex, is_simple, open_flat, split_flat, write_aside
from envkit.index.sharded import ShardedIndex, open_sharded, read_shard_notes
from envkit.index.subset import Subset, write_subset
from envkit.index.table import DamagedError
from envkit.models.build import Record
from envkit.paths import State, state_of
from envkit.scratch import scratch
from envkit.tuples import NamedTuple
from envkit.values import dataclass, field

Opened = list[tuple[str, FlatIndex | ShardedIndex]]
"""Open indexes, each with the URL of its channel."""


class Rests(NamedTuple):
    """The grounds of an answer: states of files, whether they are there or not, and until when it may be given."""

    states: Mapping[str, State | None]
    until_s: float  # seconds since 1970


@dataclass(slots=True)
class IndexStore:
    """The indexes of some channels.

    Attributes:
        channels: Their URLs, without credentials.
        folder: The cache of indexes.
        ask: Asks servers whether indexes changed; returns False where one did, or where they cannot be asked so.
        offline: Whether indexes may be used however old they are.
        current: Indexes that are known to be current, by their files of notes: they were just fetched or asked for.
            Stores of one command share it, so that no server is asked twice for one index.
        trouble: Why an index could not be split, other than by its content.
    """

    channels: Sequence[str]
    folder: Path
    ask: Callable[[Sequence[Notes]], bool]
    offline: bool = False
    current: set[Path] = field(default_factory=set)
    trouble: OSError | None = None
    _opened: dict[tuple[str, ...], Opened | None] = field(default_factory=dict)
    _reached: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = field(default_factory=dict)

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
        return None if indexes is None else frozenset(n.lower() for _, index in indexes for n in index.names())

    def identity(self, platforms: Sequence[str]) -> str | None:
        """Return a text that changes with the content of an index; None if that is not known."""
        indexes = self.open(platforms)
        if indexes is None:
            return None
        return "\n".join(f"{channel} {index.subdir} {index.identity}" for channel, index in indexes)

    def reach_identity(self, names: Iterable[str], platforms: Sequence[str]) -> str | None:
        """Return a text that changes with what these names may need, transitively; None if that is not known."""
        reached = self.reach(names, platforms)
        if reached is None:
            return None
        parts: list[str] = []
        for channel, index in self.open(platforms) or ():
            parts.append(f"{channel} {index.subdir} {json.dumps(dict(index.info), sort_keys=True)}")
            parts += [f"{name} {content}" for name in reached if (content := index.content(name))]
        return "\n".join(parts)

    def rests_on(self) -> Rests | None:
        """Return what all that was told rests on; None if that is not known, or has changed since."""
        states: dict[str, State | None] = {}
        until_s = math.inf
        for platforms, opened in self._opened.items():
            for _, subdir, index in self._indexes(platforms):
                if index is None:
                    return None
                for path in (index.path, *(() if index.is_local else (index.notes, index.absence, index.shards))):
                    states[str(path)] = state_of(path)
                if not (index.is_local or self.offline):
                    notes = self._notes(index, subdir)
                    until_s = min(until_s, notes.until_s if notes is not None else 0)
            now = IndexStore(self.channels, self.folder, lambda _: False, offline=self.offline, current=self.current)
            if opened is None or now.identity(platforms) != self.identity(platforms):
                return None
        return Rests(states, until_s)

    def reach(self, names: Iterable[str], platforms: Sequence[str]) -> list[str] | None:
        """Return these names and all that their records may need, transitively; None if that is not known."""
        indexes = self.open(platforms)
        if indexes is None:
            return None
        found = dict.fromkeys(name.lower() for name in names)
        key = tuple(found), tuple(platforms)
        if key in self._reached:
            return self._reached[key]
        waiting = list(found)
        try:
            while waiting:
                name = waiting.pop()
                for _, index in indexes:
                    fresh = [other for other in index.depends(name) if other not in found]
                    found.update(dict.fromkeys(fresh))
                    waiting += fresh
        except (UnusualError, DamagedError):
            return None
        self._reached[key] = sorted(found)
        return self._reached[key]

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
            except (UnusualError, DamagedError, OSError):
                written = None
            yield written

    def open(self, platforms: Sequence[str]) -> Opened | None:
        """Open the index of each platform of each channel; None if one is not here or may have changed."""
        key = tuple(platforms)
        if self._opened.get(key) is None:
            self._opened[key] = self._open(platforms)
        return self._opened[key]

    def _open(self, platforms: Sequence[str]) -> Opened | None:
        asked: list[Notes] = []
        wanted: list[tuple[str, str, CachedIndex, bool]] = []
        for channel, subdir, index in self._indexes(platforms):
            if index is None:
                return None
            if index.is_local:
                if subdir == "noarch" or index.path.exists():
                    wanted.append((channel, subdir, index, False))
                continue
            flat = index.lacks_shards()
            notes = self._notes(index, subdir)
            if notes is None:
                return None
            if not (self.offline or notes.path in self.current or notes.is_fresh):
                asked.append(notes)
            if notes.path != index.absence:
                wanted.append((channel, subdir, index, not flat))
        if asked and not self.ask(asked):
            return None
        self.current.update(notes.path for notes in asked)
        opened: Opened = []
        for channel, subdir, index, is_sharded in wanted:
            found = open_sharded(index, subdir) if is_sharded else self._flat(index, subdir)
            if found is None:
                return None
            opened.append((channel, found))
        return opened

    def _notes(self, index: CachedIndex, subdir: str) -> Notes | None:
        if not index.lacks_shards():
            return read_shard_notes(index)
        return read_notes(index) or _absence(index, subdir)

    def _flat(self, index: CachedIndex, subdir: str) -> FlatIndex | None:
        found = open_flat(index, subdir)
        if found is None:
            self._split(index)
            found = open_flat(index, subdir)
        return found if found is not None and is_simple(found.info) else None

    def fill(self, platforms: Sequence[str]) -> None:
        """Split the flat indexes that the native engine has just read, and note subdirs that servers lack.

        Splits are kept, so that this costs nothing where it has been done.
        """
        for _, subdir, index in self._indexes(platforms):
            if index is not None:
                self.current.update((index.notes, index.absence, index.shards))
            if index is None or not (index.is_local or index.lacks_shards()):
                continue
            if index.is_local or read_notes(index) is not None:
                self._split(index)
                continue
            # The native engine takes a subdir that the server lacks for an empty one, and does not note it.
            unknown = subdir != "noarch" and not self.offline and read_absence(index) is None
            if unknown and self.ask([suspect_absence(index)]):
                self._write(partial(write_aside, index.absence, index.url.encode()))

    def is_split(self, platforms: Sequence[str]) -> bool:
        """Return whether `fill` has no index left to split."""
        found = [(subdir, index) for _, subdir, index in self._indexes(platforms) if index is not None]
        flat = [(subdir, index) for subdir, index in found if index.path.exists() and index.lacks_shards()]
        return all(open_flat(index, subdir) is not None for subdir, index in flat)

    def _split(self, index: CachedIndex) -> None:
        self._write(partial(split_flat, index))

    def _write(self, action: Callable[[], None]) -> None:
        if self.trouble is None:
            try:
                action()
            except OSError as error:
                self.trouble = error

    def _indexes(self, platforms: Sequence[str]) -> list[tuple[str, str, CachedIndex | None]]:
        return [(c.rstrip("/"), s, CachedIndex.of(c, s, self.folder)) for c in self.channels for s in platforms]


def _absence(index: CachedIndex, subdir: str) -> Notes | None:
    return None if subdir == "noarch" else read_absence(index)

"""Spans of time in which envkit itself moved the change times (st_ctime) of files in the package cache.

A hard link that comes or goes moves the change time of its file, as an edit does. So the cache notes when its own links
did: a change at another time is an edit, even one that kept the size and set the modification time back.

``pkgs/.linked-<uid>.json`` lists the spans of one user, by the clock of the file system, and the generations that are
being made. Where a span is missing (a run was killed, or it is old), digests are compared once more, nothing else.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import secrets
from bisect import bisect_right
from collections.abc import Callable, Iterator

from envkit.errors import TamperedError
from envkit.layout import lease
from envkit.layout.private import Folder, folder
from envkit.layout.volume import Volume
from envkit.patterns import regex
from envkit.values import dataclass

_PREFIX = ".linked-"
_KEPT = 64
_LIMIT = 1 << 16
_GENERATION = regex(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*-[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class _Spans:
    """The notes of one user."""

    ended: tuple[tuple[int, int], ...] = ()  # begin and end, in nanoseconds
    open: tuple[tuple[int, str], ...] = ()  # begin, and the generation that is being made


class Moving:
    """A span that has begun."""

    def __init__(self, volume: Volume) -> None:
        self._volume = volume
        self._began: int | None = None  # a volume that takes no writes says so elsewhere
        self._generation: str | None = None
        with contextlib.suppress(OSError, TamperedError), folder(volume.root, volume.packages) as packages:
            self._began = _now(packages)

    def hold(self, generation: str) -> None:
        """Say that it lasts while the lease of a generation is held, for those who look meanwhile."""
        self._generation = generation
        self._note(lambda known, began, _: _Spans(known.ended, (*known.open, (began, generation))))

    def end(self) -> None:
        """Note it."""
        self._note(lambda known, began, now: _Spans((*known.ended[1 - _KEPT :], (began, now)), known.open))

    def _note(self, change: Callable[[_Spans, int, int], _Spans]) -> None:
        if self._began is None:
            return
        with (
            contextlib.suppress(OSError, TamperedError),
            folder(self._volume.root, self._volume.packages) as packages,
        ):
            known = _read(packages, _own_name())
            others = tuple(item for item in known.open if item[1] != self._generation and _lives(self._volume, item[1]))
            _write(packages, change(_Spans(known.ended, others), self._began, _now(packages)))


@contextlib.contextmanager
def moving_links(volume: Volume) -> Iterator[Moving]:
    """Note the span of the block, in which links to files of the cache come or go."""
    moving = Moving(volume)
    try:
        yield moving
    finally:
        moving.end()


def read_spans(volume: Volume, packages: Folder) -> Callable[[int], bool]:
    """Return a function that tells whether a change time lies in a span of any user."""
    spans: list[tuple[int, float]] = []
    for name in packages.names():
        if name.startswith(_PREFIX):
            known = _read(packages, name)
            spans += known.ended
            spans += [(began, math.inf) for began, generation in known.open if _lives(volume, generation)]
    spans.sort()
    begins = [begin for begin, _ in spans]
    # Spans of processes side by side overlap, so the latest end of those before counts.
    ends: list[float] = []
    for _, end in spans:
        ends.append(max(end, ends[-1] if ends else end))

    def lies_in_one(changed_ns: int) -> bool:
        place = bisect_right(begins, changed_ns)
        return place > 0 and changed_ns <= ends[place - 1]

    return lies_in_one


def _lives(volume: Volume, generation: str) -> bool:
    return _GENERATION.fullmatch(generation) is not None and lease.is_held(volume, generation)


def _now(packages: Folder) -> int:
    """Return the time of the file system's clock, which on a network is that of its server."""
    name = f".clock-{secrets.token_hex(4)}"
    descriptor = packages.create(name)
    try:
        packages.unlink(name)
        return os.fstat(descriptor).st_ctime_ns
    finally:
        os.close(descriptor)


def _own_name() -> str:
    return f"{_PREFIX}{os.geteuid()}.json"


def _read(packages: Folder, name: str) -> _Spans:
    try:
        found = json.loads(packages.read(name, limit=_LIMIT))
        ended = tuple((int(began), int(ended)) for began, ended in found["ended"])
        return _Spans(ended, tuple((int(began), str(generation)) for began, generation in found["open"]))
    except (OSError, ValueError, TypeError, LookupError, RecursionError, TamperedError):
        return _Spans()


def _write(packages: Folder, spans: _Spans) -> None:
    text = json.dumps({"schema_version": 1, "ended": spans.ended, "open": spans.open})
    packages.write(_own_name(), text, durable=False)

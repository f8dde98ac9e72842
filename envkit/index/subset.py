"""A part of an index as a ``repodata.json`` of its own: the records of some names, unchanged."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from envkit.index.flat import FlatIndex
from envkit.index.sharded import ShardedIndex
from envkit.tuples import NamedTuple


class Subset(NamedTuple):
    """A part of the index of one subdir of a channel."""

    channel: str
    subdir: str
    path: Path


def write_subset(index: FlatIndex | ShardedIndex, names: Sequence[str], path: Path) -> Path:
    """Write the records of some names, sorted; return the path.

    Raises:
        UnusualError: The native engine has to look at one of them.
        DamagedError: The index changed.
        OSError: The file cannot be written.
    """
    packages: list[bytes] = []
    conda: list[bytes] = []
    for name in names:
        found = index.lines(name)
        packages += found.packages
        conda += found.conda
    with path.open("wb") as file:
        file.write(b'{"info":' + json.dumps(dict(index.info)).encode() + b',"packages":{')
        file.write(b",".join(packages))
        file.write(b'},"packages.conda":{')
        file.write(b",".join(conda))
        file.write(b"}}")
    return path

"""Inventories: the disk space of a generation by the packages that its files are hard-linked from.

An inventory is written when a generation is made and holds for good, since a generation never changes. With those of
several generations it is known what they share without a look at their files. The standard library only: `list` reads
hundreds of them.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from envkit.errors import TamperedError
from envkit.layout.disk import BLOCK, Share
from envkit.paths import INVENTORY, MANIFEST
from envkit.tuples import NamedTuple
from envkit.values import asdict, dataclass, field

if TYPE_CHECKING:
    from envkit.layout.private import Folder

Numbered = tuple[str, int | None]
"""The folder of the cache that has a file, and its disk space in units of 512 bytes if it was looked at."""


@dataclass
class Origins:
    """Files of a new generation that need not be looked for in the caches, by whole folders of them."""

    files: dict[int, Numbered] = field(default_factory=dict)  # what packages have, by its inode
    bytecode: dict[str, str] = field(default_factory=dict)  # the folder that it was linked from, by its path
    settled: dict[str, Held] = field(default_factory=dict)  # space of such folders that were linked whole


_LIMIT_BYTES = 4 << 20
_UNKNOWN: Numbered = ("", None)
_MOST = 1 << 62  # no sum of sizes is larger


class Held(NamedTuple):
    """Disk space."""

    size_bytes: int = 0
    inodes: int = 0


@dataclass(frozen=True, slots=True)
class Inventory:
    """The disk space of a generation, and what `list` shows of its manifest.

    Attributes:
        generation: Name of its directory.
        prefix: Its directory when it was made.
        created: When it was made, in ISO 8601, UTC.
        packages: Number of its packages, those of pip included.
        manifest_bytes: Size of its manifest; None if there is none that can be read.
        own: Files without another name, directories and links.
        linked: Files that are hard-linked, by the folder of the cache that has them: ``pkgs/KEY``, ``pyc/KEY`` or
            ``wheels/SHA256``; empty for those that are linked from elsewhere.
    """

    generation: str
    prefix: str
    created: str
    packages: int
    manifest_bytes: int | None
    own: Held
    linked: Mapping[str, Held] = field(default_factory=dict)


def shared_sizes(inventories: Sequence[Inventory]) -> tuple[list[Share], int]:
    """Return the disk space of each generation, and of all together; a generation may be there twice."""
    holders: dict[str, int] = {}
    sizes: dict[str, int] = {}
    parts = [_parts(inventory) for inventory in inventories]
    for mine in parts:
        for key, size in mine.items():
            holders[key] = holders.get(key, 0) + 1
            sizes[key] = max(size, sizes.get(key, 0))
    each = [Share(sum(mine.values()), sum(size for key, size in mine.items() if holders[key] == 1)) for mine in parts]
    return each, sum(sizes.values())


def _parts(inventory: Inventory) -> dict[str, int]:
    """Return the bytes of a generation by what else has them; those that nothing has, under its own name."""
    elsewhere = inventory.linked.get("", Held())
    parts = {key: held.size_bytes for key, held in inventory.linked.items() if key}
    return {**parts, f"g/{inventory.generation}": inventory.own.size_bytes + elsewhere.size_bytes}


def read_inventory(home: Folder, generation: str) -> Inventory | None:
    """Read the inventory of a generation in the folder of generations, with its own file counted.

    None if there is none, it is damaged, or its manifest is another by now.
    """
    try:
        with home.enter(generation) as prefix:
            data, state = prefix.read_from(INVENTORY, limit=_LIMIT_BYTES)
            manifest_bytes = prefix.state(MANIFEST).st_size
    except (OSError, ValueError, TamperedError):
        return None
    found = parse_inventory(data)
    if found is None or found.generation != generation or found.manifest_bytes != manifest_bytes:
        return None
    own = Held(found.own.size_bytes + state.st_blocks * BLOCK, found.own.inodes + 1)
    return Inventory(
        found.generation, found.prefix, found.created, found.packages, found.manifest_bytes, own, found.linked
    )


def parse_inventory(data: bytes) -> Inventory | None:
    """Read the text of an inventory; None if it is none, or of another schema."""
    try:
        document = json.loads(data)
        if document["schema_version"] != 1:
            return None
        return Inventory(
            generation=_text(document["generation"]),
            prefix=_text(document["prefix"]),
            created=_text(document["created"]),
            packages=_count(document["packages"]),
            manifest_bytes=_count(document["manifest_bytes"]),
            own=_held(document["own"]),
            linked={key: _held(value) for key, value in document["linked"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def inventory_text(inventory: Inventory) -> str:
    """Return the text that `parse_inventory` reads."""
    return json.dumps({"schema_version": 1, **asdict(inventory)}, separators=(",", ":"))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < _MOST:
        raise TypeError(value)
    return value


def _held(value: Any) -> Held:
    size, inodes = value
    return Held(_count(size), _count(inodes))


def weigh(
    root: str,
    origins: Mapping[int, Numbered],
    *,
    paths: Mapping[str, str] | None = None,
    settled: Mapping[str, Held] | None = None,
    without: str = "",
) -> tuple[Held, dict[str, Held]]:
    """Measure a directory; return what has one name only, and what is hard-linked, by its origin.

    Args:
        root: The directory.
        origins: Where the files of an inode are linked from, if the caches have it. One whose space is known is not
            looked at.
        paths: The same by the path below `root`, for caches that are not known by their inodes.
        settled: Origins in `paths` whose space is known; their files are not looked at.
        without: Part of the names that are left out at the root.
    """
    paths, settled = paths or {}, settled or {}
    if root.startswith("/proc/"):  # an open directory, by its descriptor
        root = f"{root}/."
    try:
        state = os.lstat(root)
    except OSError:
        return Held(), {}
    own_blocks, own_inodes = state.st_blocks, 1
    linked = {key: [held.size_bytes // BLOCK, held.inodes] for key, held in settled.items()}
    seen: set[int] = set()
    below = [""] if stat.S_ISDIR(state.st_mode) else []
    while below:
        inner = below.pop()
        try:
            with os.scandir(f"{root}/{inner}") as entries:
                for entry in entries:  # written out: of an environment with PyTorch there are 30,000
                    inode = entry.inode()
                    origin, blocks = origins.get(inode, _UNKNOWN)
                    if blocks is None:
                        path = f"{inner}{entry.name}"
                        known = paths.get(path, "")
                        if known in settled or (without and not inner and without in entry.name):
                            continue
                        state = entry.stat(follow_symlinks=False)
                        inode, blocks = state.st_ino, state.st_blocks
                        if stat.S_ISDIR(state.st_mode) or state.st_nlink == 1:
                            own_blocks += blocks
                            own_inodes += 1
                            if stat.S_ISDIR(state.st_mode):
                                below.append(f"{path}/")
                            continue
                        origin = origins.get(inode, _UNKNOWN)[0] or known
                    if inode not in seen:
                        seen.add(inode)
                        part = linked.setdefault(origin, [0, 0])
                        part[0] += blocks
                        part[1] += 1
        except OSError:  # closed to this user, or removed meanwhile
            continue
    shares = {key: Held(blocks * BLOCK, inodes) for key, (blocks, inodes) in sorted(linked.items())}
    return Held(own_blocks * BLOCK, own_inodes), shares


def number_files(folder: str, origin: str, origins: dict[int, Numbered]) -> None:
    """Add the inodes of the files below a folder to `origins`. The names tell them; no file is looked at."""
    numbered: Numbered = (origin, None)
    stack = [folder]
    while stack:
        try:
            with os.scandir(stack.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        stack.append(entry.path)
                    else:
                        origins[entry.inode()] = numbered
        except OSError:
            continue

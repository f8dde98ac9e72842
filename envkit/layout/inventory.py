"""Inventories: the disk space of a generation by the packages that its files are hard-linked from.

An inventory is written when a generation is made and holds for good, since a generation never changes. With those of
several generations it is known what they share without a look at their files. The standard library only: `list` reads
hundreds of them.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from envkit.errors import TamperedError
from envkit.layout.disk import BLOCK, Share
from envkit.paths import INVENTORY, MANIFEST
from envkit.tuples import NamedTuple
from envkit.values import asdict, dataclass, field

if TYPE_CHECKING:
    from envkit.layout.private import Folder


class Held(NamedTuple):
    """Disk space."""

    size_bytes: int = 0
    inodes: int = 0


@dataclass
class Origins:
    """Folders of the caches that a new generation was linked from file by file, each of them whole.

    Attributes:
        settled: Their names with the disk space of what was linked.
        names: Names of what was linked from any of them, by the folder below the prefix.
        folders: Folders below the prefix in which nothing else is, with the names of the folders in them.
        until_ns: That holds for those that were not changed at this time (st_mtime) or later.
        whole: Whether all that was linked from any cache is among this.
    """

    settled: dict[str, Held] = field(default_factory=dict)
    names: dict[str, list[Sequence[str]]] = field(default_factory=dict)
    folders: dict[str, list[str]] = field(default_factory=dict)
    until_ns: int = 0
    whole: bool = True

    def add(self, origin: str, held: Held, files: Iterable[tuple[str, Sequence[str]]]) -> None:
        """Add a folder of a cache, with what was linked from it by the folder below the prefix."""
        self.settled[origin] = held
        for inner, names in files:
            self.names.setdefault(inner, []).append(names)

    def forget(self) -> None:
        """Tell nothing: files were changed since."""
        self.settled.clear()
        self.names.clear()
        self.folders.clear()
        self.whole = False


_LIMIT_BYTES = 4 << 20
_MOST = 1 << 62  # no sum of sizes is larger


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
    number: Callable[[], Mapping[int, str]],
    *,
    paths: Mapping[str, str] | None = None,
    known: Origins | None = None,
    without: str = "",
) -> tuple[Held, dict[str, Held]]:
    """Measure a directory; return what has one name only, and what is hard-linked, by its origin.

    Args:
        root: The directory.
        number: Returns where the files of an inode are linked from, if the caches have it. It is called once something
            is found that `known` does not tell.
        paths: The same by the path below `root`, for caches that are not known by their inodes.
        known: Tells what need not be looked at.
        without: Part of the names that are left out at the root.
    """
    paths, known = paths or {}, known or Origins()
    if root.startswith("/proc/"):  # an open directory, by its descriptor
        root = f"{root}/."
    try:
        state = os.lstat(root)
    except OSError:
        return Held(), {}
    own_blocks, own_inodes = state.st_blocks, 1
    linked = {key: [held.size_bytes // BLOCK, held.inodes] for key, held in known.settled.items()}
    origins: Mapping[int, str] | None = None
    seen: set[int] = set()
    below = [("", state.st_mtime_ns)] if stat.S_ISDIR(state.st_mode) else []
    while below:
        inner, changed_ns = below.pop()
        names: Collection[str] | None = known.folders.get(inner[:-1]) if changed_ns < known.until_ns else None
        if names is None:
            try:
                names = set(os.listdir(f"{root}/{inner}")).difference(*known.names.get(inner[:-1], ()))
            except OSError:  # closed to this user, or removed meanwhile
                continue
        for name in names:
            if without and not inner and without in name:
                continue
            path = f"{inner}{name}"
            try:
                state = os.lstat(f"{root}/{path}")
            except OSError:
                continue
            if stat.S_ISDIR(state.st_mode) or state.st_nlink == 1:
                own_blocks += state.st_blocks
                own_inodes += 1
                if stat.S_ISDIR(state.st_mode):
                    below.append((f"{path}/", state.st_mtime_ns))
            elif state.st_ino not in seen:
                seen.add(state.st_ino)
                if origins is None:
                    origins = number()
                part = linked.setdefault(origins.get(state.st_ino) or paths.get(path, ""), [0, 0])
                part[0] += state.st_blocks
                part[1] += 1
    shares = {key: Held(blocks * BLOCK, inodes) for key, (blocks, inodes) in sorted(linked.items()) if inodes}
    return Held(own_blocks * BLOCK, own_inodes), shares


def number_files(folder: str, origin: str, origins: dict[int, str]) -> None:
    """Add the inodes of the files below a folder to `origins`. The names tell them; no file is looked at."""
    stack = [folder]
    while stack:
        try:
            with os.scandir(stack.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        stack.append(entry.path)
                    else:
                        origins[entry.inode()] = origin
        except OSError:
            continue

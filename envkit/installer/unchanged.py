"""Files of packages that linking does not change: nearly all of them. They are linked here, folder by folder.

The native engine is given the rest: files with a prefix in them, links, entry points and the records. It takes three
calls for each file, by its whole path, and links the files of one package one after the other.

Where packages have a path in common, or one has a list of files that is unlike all that are known, the native engine
gets everything, which knows the rules for that.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envkit.installer.hardlinks import LinkTarget, entered, link_all, opened
from envkit.installer.modules import site_packages
from envkit.layout.private import read_file
from envkit.models.build import Record
from envkit.plain import LARGEST_RECORD_BYTES
from envkit.values import dataclass, field

if TYPE_CHECKING:
    from envkit.installer.paths_file import PathsEntry

_CHUNK = 1000  # files: some 10 ms
_LINKED_INFO = ("index.json", "link.json")
_ODD_PARTS = frozenset({"", ".", ".."})

_Place = tuple[str, str]
"""A folder in a package, and where it is in a prefix."""


@dataclass(slots=True)
class Unchanged:
    """The files of one package that are linked as they are.

    Attributes:
        record: The package.
        folders: Their names by folder.
        entries: What the package tells of them, with their paths in a prefix.
        rest: What it tells of its other files.
        targets: All its paths in a prefix but for those of directories.
        rest_targets: Those of its other files.
        list_sha256: Digest of the text that told all this.
    """

    record: Record
    folders: dict[_Place, list[str]] = field(default_factory=dict)
    entries: list[PathsEntry] = field(default_factory=list)
    rest: list[PathsEntry] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    rest_targets: list[str] = field(default_factory=list)
    list_sha256: str = ""

    @property
    def name(self) -> str:
        """The name of its directory, and of its record in an environment."""
        return f"{self.record.name}-{self.record.version}-{self.record.build}"

    def chunks(self) -> Iterator[list[tuple[_Place, list[str]]]]:
        """Split the work into parts of about the same size."""
        chunk: list[tuple[_Place, list[str]]] = []
        room = _CHUNK
        for place, names in sorted(self.folders.items()):
            for begin in range(0, len(names), _CHUNK):
                part = names[begin : begin + _CHUNK]
                chunk.append((place, part))
                room -= len(part)
                if room <= 0:
                    yield chunk
                    chunk, room = [], _CHUNK
        if chunk:
            yield chunk


def read_unchanged(packages: Sequence[tuple[Record, str]], python: Record | None) -> list[Unchanged] | None:
    """Read the lists of packages, given with their directories; None if the native engine has to link all files."""
    from envkit.installer.paths_file import ListError, is_noarch_python, read_commands, read_paths

    found = []
    try:
        for record, home in packages:
            site = _site(record, python)
            if site is None or is_noarch_python(home) != bool(site):
                return None
            text = read_file(f"{home}/info/paths.json", limit=LARGEST_RECORD_BYTES)
            one = _sort(record, site, read_paths(text))
            one.list_sha256 = hashlib.sha256(text).hexdigest()
            commands = read_commands(home) if site else []
            one.targets += commands
            one.rest_targets += commands
            folders = (folder for place in one.folders for folder in place)
            if any(_is_odd(path) for path in (*folders, *(entry.path for entry in one.rest))):
                return None
            found.append(one)
    except (ListError, OSError):
        return None
    return found if _are_apart(found) else None


def _is_odd(path: str) -> bool:
    """Return whether a path is among a package's description, leads out of it, or has another name."""
    parts = path.split("/") if path else []
    return parts[:1] == ["info"] or "\0" in path or not _ODD_PARTS.isdisjoint(parts)


def _site(record: Record, python: Record | None) -> str | None:
    """Return where the modules of a noarch package are linked; empty for other packages, None if nothing tells."""
    if record.raw.get("noarch") != "python":
        return ""
    return site_packages(python) if python is not None else None


def _sort(record: Record, site: str, entries: list[PathsEntry]) -> Unchanged:
    one = Unchanged(record)
    linked, targets = one.entries, one.targets
    last: str | None = None
    names: list[str] = []
    moved, outside = False, ""
    for entry in entries:  # tens of thousands, most of them in the folder of the one before
        inside, _, name = entry.path.rpartition("/")
        if inside != last:
            last, outside = inside, _outside(inside, site)
            moved, names = outside != inside, one.folders.setdefault((inside, outside), [])
        path = f"{outside}/{name}" if moved else entry.path
        if entry.is_linked:
            names.append(name)
            linked.append(entry)
        else:
            one.rest.append(entry)
            if entry.path_type == "directory":
                continue
            one.rest_targets.append(path)
        targets.append(path)
        if moved and entry.is_linked:
            entry.path = path
    one.folders = {place: names for place, names in one.folders.items() if names}
    return one


def _outside(inside: str, site: str) -> str:
    """Return where a folder of a package is in a prefix; `site` is where the modules of a noarch package are."""
    if site:
        first, separator, rest = inside.partition("/")
        if first == "site-packages":
            return f"{site}{separator}{rest}"
        if first == "python-scripts":
            return f"bin{separator}{rest}"
    return inside


def _are_apart(packages: Sequence[Unchanged]) -> bool:
    """Return whether no path is that of two files, or that of a file and a folder."""
    paths: set[str] = set()
    for one in packages:
        paths.update(one.targets)
    if len(paths) != sum(len(one.targets) for one in packages):
        return False
    todo = {outside for one in packages for _, outside in one.folders}
    todo |= {path.rpartition("/")[0] for one in packages for path in one.rest_targets}
    folders: set[str] = set()
    while todo:
        folders |= todo
        todo = {path.rpartition("/")[0] for path in todo} - folders
    return not folders & paths


def link_chunk(source: str, prefix: LinkTarget, chunk: Sequence[tuple[_Place, list[str]]]) -> None:
    """Link a part of a package's files from its directory into an open prefix.

    Raises:
        OSError: A file is not there, or the volume is full.
    """
    with entered(source) as home:
        for (inside, target), names in chunk:
            with opened(inside, within=home) as folder, prefix.folder(target) as place:
                if not link_all(folder, place, names):
                    prefix.exact = False


_HARD_LINKED = 1  # LinkType of conda's PrefixRecord


def make_rest(one: Unchanged, source: str, target: Path) -> None:
    """Make a package of the files that are left, at a new path: with a list of these, and links to all else."""
    from envkit.installer.paths_file import paths_text

    info = target / "info"
    info.mkdir(parents=True)
    (info / "paths.json").write_bytes(paths_text(one.rest))
    known = os.listdir(f"{source}/info")
    for name in _LINKED_INFO:
        if name in known:
            (info / name).symlink_to(f"{source}/info/{name}")
    for name in {entry.path.partition("/")[0] for entry in one.rest}:
        (target / name).symlink_to(f"{source}/{name}")


def complete_record(record: dict[str, Any], one: Unchanged) -> None:
    """Add the files that were linked here to the record of a package in an environment."""
    pairs: list[tuple[str, dict[str, Any] | PathsEntry]] = [(entry.path, entry) for entry in one.entries]
    pairs += [(entry["_path"], entry) for entry in record["paths_data"]["paths"]]
    pairs.sort(key=itemgetter(0))
    record["paths_data"]["paths"] = [entry for _, entry in pairs]
    record["files"] = [path for path, _ in pairs]
    record["link"]["type"] = _HARD_LINKED  # the engine tells of its own folder, which may be on another disk

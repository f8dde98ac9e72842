"""Files of packages that linking does not change: nearly all of them. They are linked here, folder by folder.

The native engine is given the rest: files with a prefix in them, links, entry points and the records. It takes three
calls for each file, by its whole path, and links the files of one package one after the other.

Where packages have a path in common, or one has a list of files that is unlike all that are known, the native engine
gets everything, which knows the rules for that.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
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
    """

    record: Record
    folders: dict[_Place, list[str]] = field(default_factory=dict)
    entries: list[PathsEntry] = field(default_factory=list)
    rest: list[PathsEntry] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)

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
            one = _sort(record, site, read_paths(read_file(f"{home}/info/paths.json", limit=LARGEST_RECORD_BYTES)))
            one.targets += read_commands(home) if site else ()
            if any(_is_info(path) for path in (*(inside for inside, _ in one.folders), *(e.path for e in one.rest))):
                return None
            found.append(one)
    except (ListError, OSError):
        return None
    return found if _are_apart(found) else None


def _is_info(path: str) -> bool:
    return path == "info" or path.startswith("info/")


def _site(record: Record, python: Record | None) -> str | None:
    """Return where the modules of a noarch package are linked; empty for other packages, None if nothing tells."""
    if record.raw.get("noarch") != "python":
        return ""
    return site_packages(python) if python is not None else None


def _sort(record: Record, site: str, entries: list[PathsEntry]) -> Unchanged:
    one = Unchanged(record)
    for entry in entries:
        path = entry.path
        if site:
            if path.startswith("site-packages/"):
                path = f"{site}{path[len('site-packages') :]}"
            elif path.startswith("python-scripts/"):
                path = f"bin{path[len('python-scripts') :]}"
        if entry.path_type != "directory":
            one.targets.append(path)
        if not entry.is_linked:
            one.rest.append(entry)
            continue
        inside, _, name = entry.path.rpartition("/")
        names = one.folders.setdefault((inside, path.rpartition("/")[0]), [])
        names.append(name)
        entry.path = path
        one.entries.append(entry)
    return one


def _are_apart(packages: Sequence[Unchanged]) -> bool:
    """Return whether no path is that of two files, or that of a file and a folder."""
    paths: set[str] = set()
    for one in packages:
        paths.update(one.targets)
    if len(paths) != sum(len(one.targets) for one in packages):
        return False
    todo = {path.rpartition("/")[0] for path in paths}
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
                link_all(folder, place, names)


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
    listed = record["paths_data"]["paths"]
    record["paths_data"]["paths"] = sorted([*listed, *one.entries], key=_path_of)
    record["files"] = sorted([*record["files"], *(entry.path for entry in one.entries)])


def _path_of(entry: dict[str, Any] | PathsEntry) -> str:
    path = entry["_path"] if isinstance(entry, dict) else entry.path
    return str(path)

"""The GPU code in a folder: a package, a conda or pixi prefix, a venv."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from envkit.gpucode.source import MalformedCodeError
from envkit.models.gpucode import GpuLibrary
from envkit.scan.file import read_library
from envkit.tuples import NamedTuple

_THREADS = 8  # they wait for the disk, not for a processor
_LEAST_BYTES = 64
_LARGE_BYTES = 1 << 22
_SKIPPED_FOLDERS = frozenset({"__pycache__", "conda-meta", ".git"})
# Most files of an environment. Whatever else begins like a library is read.
_SKIPPED_ENDS = frozenset(
    {
        "c", "cc", "cmake", "cpp", "csv", "css", "cu", "cuh", "gif", "gz", "h", "hpp", "html", "inc",
        "inl", "ipynb", "jpg", "js", "json", "map", "md", "mo", "npy", "npz", "pc", "pem", "png", "po",
        "pxd", "py", "pyc", "pyi", "pyx", "rst", "sh", "svg", "toml", "ts", "ttf", "txt", "typed", "xml",
        "yaml", "yml", "zip",
    }
)  # fmt: skip


class Unreadable(NamedTuple):
    """A file that could not be read.

    Attributes:
        path: Where it lies below the folder.
        why: Why not, in a few words.
    """

    path: str
    why: str


class Scan(NamedTuple):
    """The GPU code of a folder or an archive.

    Attributes:
        libraries: Its files with GPU code, by path.
        unreadable: Files that look like libraries and are damaged, or that this user may not read.
    """

    libraries: tuple[GpuLibrary, ...]
    unreadable: tuple[Unreadable, ...] = ()


def scan_tree(root: Path) -> Scan:
    """Return the GPU code of all files below a folder.

    No link is followed: what a link inside the folder leads to is found itself. A file with several names (hard links)
    is read once and listed under the first. Of a conda installation, its base environment is read.

    Raises:
        OSError: The folder itself cannot be read.
    """
    from concurrent.futures import ThreadPoolExecutor

    seen: set[tuple[int, int]] = set()
    candidates: list[tuple[int, str, str]] = []
    unreadable: list[Unreadable] = []
    for path, name, status in _files(root, unreadable):
        identity = (status.st_dev, status.st_ino)
        if status.st_size >= _LEAST_BYTES and (status.st_nlink == 1 or identity not in seen):
            seen.add(identity)
            candidates.append((status.st_size, path, name))
    # A small file is read in the time that it takes to wake a thread.
    large = sorted((c for c in candidates if c[0] >= _LARGE_BYTES), reverse=True)
    with ThreadPoolExecutor(_THREADS) as pool:
        running = [pool.submit(_read, path, name) for _, path, name in large]
        found = [_read(path, name) for size, path, name in candidates if size < _LARGE_BYTES]
        found += [future.result() for future in running]
    libraries = [one for one in found if isinstance(one, GpuLibrary) and one.has_code]
    unreadable += [one for one in found if isinstance(one, Unreadable)]
    return Scan(tuple(sorted(libraries, key=lambda library: library.path)), tuple(sorted(unreadable)))


def may_hold_code(name: str) -> bool:
    """Return whether a file of this name may be a library."""
    return name.rpartition(".")[2].lower() not in _SKIPPED_ENDS


def _files(root: Path, unreadable: list[Unreadable]) -> Iterator[tuple[str, str, os.stat_result]]:
    """Yield each file that may be a library, its name below `root`, and its status, in order of their names."""
    # The folder of a conda installation is an environment itself; others, and its cache, lie in it.
    apart = {"envs/", "pkgs/"} if (root / "conda-meta").is_dir() else set[str]()
    if root == root.parent:
        apart |= {"proc/", "sys/", "dev/", "run/"}  # no files: to read some of them does something
    stack = [(str(root), "")]
    while stack:
        folder, prefix = stack.pop()
        try:
            with os.scandir(folder) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            if not prefix:
                raise
            unreadable.append(Unreadable(prefix.rstrip("/"), error.strerror or "cannot be read"))
            continue
        folders = []
        for entry in listed:
            if entry.is_dir(follow_symlinks=False):
                below = f"{prefix}{entry.name}/"
                if entry.name not in _SKIPPED_FOLDERS and below not in apart:
                    folders.append((entry.path, below))
            elif entry.is_file(follow_symlinks=False) and may_hold_code(entry.name):
                try:
                    yield entry.path, prefix + entry.name, entry.stat(follow_symlinks=False)
                except OSError:
                    continue  # removed meanwhile
        stack += reversed(folders)


def _read(path: str, name: str) -> GpuLibrary | Unreadable | None:
    try:
        return read_library(path, name)
    except MalformedCodeError as error:
        return Unreadable(name, str(error))
    except FileNotFoundError:
        return None  # removed meanwhile
    except OSError as error:
        return Unreadable(name, error.strerror or "cannot be read")

"""Packages in conda's own caches (``pkgs_dirs``): taken instead of downloaded, verified likewise, never written.

An archive counts by its digest, whoever wrote it. An extracted package has no digest of its own. It counts if it says
to come from the same archive, if all of it belongs to users whose files count (`envkit.layout.trust`), and if each file
is as its list says. It is copied, since conda's environments share its files by hard links.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from envkit.errors import IntegrityError
from envkit.installer.download import copy_archive
from envkit.installer.seal import check_and_seal
from envkit.installer.verify import find_damage
from envkit.layout.private import Folder
from envkit.layout.trust import trusted_users, trusts_group
from envkit.layout.volume import Volume
from envkit.models.build import Record
from envkit.models.progress import Reporter
from envkit.plain import open_plain, read_json

_RECORD = "repodata_record.json"  # conda and mamba write it beside the package's own files
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_ENDINGS = (".tar.bz2", ".conda")


class _RefusedError(Exception):
    """A package in a cache that does not count."""


def take_archive(caches: Sequence[Path], record: Record, place: tuple[Folder, str], reporter: Reporter) -> Path | None:
    """Copy the archive of a record from the first cache that has it; return that cache, or None.

    Raises:
        OSError: The copy cannot be written.
    """
    return next((cache for cache, path in _places(caches, record) if copy_archive(path, record, place, reporter)), None)


def take_extracted(volume: Volume, caches: Sequence[Path], record: Record, target: Path) -> Path | None:
    """Copy the extracted package of a record from the first cache where it counts, and seal it; return that cache.

    Raises:
        OSError: The copy cannot be written.
    """
    for cache, path in _places(caches, record):
        source = path.with_name(_stem(path.name))
        if not _is_of(source, record):
            continue
        try:
            _copy_tree(source, target, None if trusts_group(volume) else trusted_users(volume))
            (target / "info" / _RECORD).unlink(missing_ok=True)
            if (target / "info" / "paths.json").is_file() and find_damage(target) is None:
                check_and_seal(record, target)
                return cache
        except (_RefusedError, IntegrityError):
            pass
        shutil.rmtree(target, ignore_errors=True)
    return None


def _places(caches: Sequence[Path], record: Record) -> Iterator[tuple[Path, Path]]:
    """Yield where each cache would have the archive: conda keeps them side by side, mamba by their URL."""
    parts = urlsplit(record.url)
    inner = f"{parts.scheme}/{parts.netloc}/{unquote(parts.path).strip('/')}"
    for cache in caches:
        yield cache, cache / record.fn
        if parts.netloc and ".." not in inner.split("/"):
            yield cache, cache / inner


def _stem(name: str) -> str:
    return next((name.removesuffix(ending) for ending in _ENDINGS if name.endswith(ending)), name)


def _is_of(source: Path, record: Record) -> bool:
    """Return whether an extracted package says to come from the archive of a record."""
    try:
        told = read_json(source / "info" / _RECORD)
    except (OSError, ValueError):
        return False
    kind = "sha256" if record.sha256 else "md5"
    expected = record.sha256 or record.raw.get("md5")
    return isinstance(told, dict) and str(told.get(kind)).lower() == str(expected).lower()


def _copy_tree(source: Path, target: Path, owners: frozenset[int] | None) -> None:
    """Copy files, links and folders, with times and the right to execute; `owners` are the users who count, if not all.

    Raises:
        _RefusedError: Something in it cannot be read, belongs to another user, or is of another kind.
        OSError: The copy cannot be written.
    """
    target.mkdir()
    with _reading():
        _check_owner(os.lstat(source), owners)
        entries = sorted(os.scandir(source), key=lambda entry: entry.name)
    for entry in entries:
        copy = target / entry.name
        with _reading():
            state = entry.stat(follow_symlinks=False)
            _check_owner(state, owners)
            text = os.readlink(entry.path) if stat.S_ISLNK(state.st_mode) else None
        if text is not None:
            copy.symlink_to(text)
        elif stat.S_ISDIR(state.st_mode):
            _copy_tree(Path(entry.path), copy, owners)
        else:
            _copy_file(entry.path, copy, owners)


def _copy_file(source: str, target: Path, owners: frozenset[int] | None) -> None:
    with contextlib.ExitStack() as stack:
        with _reading():
            file = stack.enter_context(os.fdopen(open_plain(source, _READ), "rb"))
            state = os.fstat(file.fileno())
            _check_owner(state, owners)  # of what was opened: the name may lead elsewhere by now
            if not stat.S_ISREG(state.st_mode):
                raise _RefusedError
        with target.open("xb") as copy:
            shutil.copyfileobj(file, copy, 1 << 20)
            os.fchmod(copy.fileno(), 0o755 if state.st_mode & 0o111 else 0o644)
            os.utime(copy.fileno(), ns=(state.st_mtime_ns, state.st_mtime_ns))


def _check_owner(state: os.stat_result, owners: frozenset[int] | None) -> None:
    if owners is not None and state.st_uid not in owners:
        raise _RefusedError


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _RefusedError from error

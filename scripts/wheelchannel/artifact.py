"""Files and a record to a `.conda` package: a stored zip of two zstandard tars (CEP 24, conda package v2).

The same input gives the same bytes: entries in the order of their paths, one time stamp, no owner.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import posixpath
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import zstandard

from wheelchannel.errors import INTEGRITY, ChannelError

PLACEHOLDER: Final = ("/envkit" + "_placehold" * 25)[:255]
"""Stands for the prefix in text files until a package is installed; as long as conda-build's."""

_LEVEL: Final = 6
_ZIP_TIME: Final = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a package: bytes to be read when they are written, or where a link points.

    Attributes:
        path: Where it goes, relative to the prefix, with forward slashes.
        read: Gives the content; called once.
        executable: Whether it gets mode 0755.
        has_prefix: Whether it holds `PLACEHOLDER`, to be replaced at installation.
        target: For a symbolic link, what it says.
    """

    path: str
    read: Callable[[], bytes] = bytes
    executable: bool = False
    has_prefix: bool = False
    target: str | None = None

    @classmethod
    def holding(cls, path: str, content: bytes, *, executable: bool = False) -> Entry:
        """A file of known content; text with the placeholder is marked as such."""
        return cls(path, partial(bytes, content), executable, has_prefix=PLACEHOLDER.encode() in content)


@dataclass(frozen=True, slots=True)
class Package:
    """A package to be written, all but its files.

    Attributes:
        index: The record: the content of `info/index.json`.
        about: The content of `info/about.json`.
        entry_points: For `noarch: python`, lines such as `pip = pip:main` for the installer.
        origin: What it was made from, for `info/hash_input.json`.
    """

    index: Mapping[str, Any]
    about: Mapping[str, Any]
    entry_points: tuple[str, ...] = ()
    origin: Mapping[str, Any] | None = None

    @property
    def stem(self) -> str:
        """The file name without its extension."""
        return "{name}-{version}-{build}".format(**self.index)

    @property
    def file_name(self) -> str:
        """The file name, as the index lists it."""
        return f"{self.stem}.conda"

    @property
    def subdir(self) -> str:
        """The folder of the channel that it belongs to."""
        return str(self.index["subdir"])


def write_package(package: Package, entries: Iterable[Entry], licenses: Mapping[str, bytes], path: Path) -> None:
    """Write a package; on an error nothing is left at `path` nor beside it.

    Args:
        package: Its record and description.
        entries: Its files, in any order.
        licenses: Licence texts, by file name, for `info/licenses/`.
        path: Where the package goes; replaced in one step when it is complete.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".tmp-", delete=False) as stream:
        temporary = Path(stream.name)
        try:
            with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
                _write_member(archive, "metadata.json", b'{"conda_pkg_format_version": 2}')
                mtime = int(package.index["timestamp"]) // 1000
                with _open_tar(archive, f"pkg-{package.stem}.tar.zst") as tar:
                    ordered = sorted(entries, key=lambda entry: entry.path)
                    paths = _with_link_digests([_add(tar, entry, mtime) for entry in ordered], ordered)
                with _open_tar(archive, f"info-{package.stem}.tar.zst") as tar:
                    for name, content in sorted(_info(package, paths, licenses).items()):
                        _add(tar, Entry.holding(f"info/{name}", content), mtime)
            stream.flush()
            os.fsync(stream.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _info(package: Package, paths: list[dict[str, Any]], licenses: Mapping[str, bytes]) -> dict[str, bytes]:
    info = {
        "index.json": _json(package.index),
        "about.json": _json(package.about),
        "paths.json": _json({"paths": paths, "paths_version": 1}),
        "files": "".join(f"{entry['_path']}\n" for entry in paths).encode(),
        "hash_input.json": _json(package.origin or {}),
        **{f"licenses/{name}": text for name, text in licenses.items()},
    }
    if package.index.get("noarch") == "python":
        noarch = {"type": "python", "entry_points": list(package.entry_points)}
        info["link.json"] = _json({"noarch": noarch, "package_metadata_version": 1})
    return info


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, indent=2, sort_keys=True).encode() + b"\n"


def _write_member(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name, _ZIP_TIME), content)


@contextmanager
def _open_tar(archive: zipfile.ZipFile, name: str) -> Iterator[tarfile.TarFile]:
    """A tar, compressed, as a member of the zip that is being written; never whole in memory."""
    with (
        archive.open(zipfile.ZipInfo(name, _ZIP_TIME), "w", force_zip64=True) as member,
        zstandard.ZstdCompressor(level=_LEVEL).stream_writer(member, closefd=False) as stream,
        tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        yield tar


def _add(tar: tarfile.TarFile, entry: Entry, mtime: int) -> dict[str, Any]:
    """Put a file in the payload; return its line in `paths.json`."""
    header = tarfile.TarInfo(entry.path)
    header.mtime = mtime
    line: dict[str, Any] = {"_path": entry.path}
    if entry.target is not None:
        header.type, header.linkname, header.mode = tarfile.SYMTYPE, entry.target, 0o777
        tar.addfile(header)
        return {**line, "path_type": "softlink", "size_in_bytes": len(entry.target)}
    content = entry.read()
    header.size, header.mode = len(content), 0o755 if entry.executable else 0o644
    tar.addfile(header, io.BytesIO(content))
    line |= {"path_type": "hardlink", "sha256": hashlib.sha256(content).hexdigest(), "size_in_bytes": len(content)}
    if entry.has_prefix:
        line |= {"prefix_placeholder": PLACEHOLDER, "file_mode": "text"}
    return line


def _with_link_digests(paths: list[dict[str, Any]], entries: list[Entry]) -> list[dict[str, Any]]:
    """Give each link the digest of the file that it leads to, as conda-build does."""
    digests = {line["_path"]: line.get("sha256") for line in paths}
    targets = {
        entry.path: posixpath.normpath(posixpath.join(posixpath.dirname(entry.path), entry.target))
        for entry in entries
        if entry.target is not None
    }
    for line in paths:
        end = line["_path"]
        while end in targets:
            end = targets[end]
        line["sha256"] = digests[end]
    return paths


def read_record(path: Path) -> dict[str, Any]:
    """A package's line in an index: its `info/index.json`, with the size and digests of the file.

    Raises:
        ChannelError: The file is not a sound package.
    """
    digests = {"md5": hashlib.md5(usedforsecurity=False), "sha256": hashlib.sha256()}
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                for digest in digests.values():
                    digest.update(chunk)
        with (
            zipfile.ZipFile(path) as archive,
            archive.open(f"info-{path.stem}.tar.zst") as member,
            zstandard.ZstdDecompressor().stream_reader(member) as content,
            tarfile.open(fileobj=content, mode="r|") as tar,
        ):
            index = next(tar.extractfile(entry) for entry in tar if entry.name == "info/index.json")
            record: dict[str, Any] = json.loads(index.read() if index else b"")
    except (zipfile.BadZipFile, KeyError, StopIteration, tarfile.TarError, zstandard.ZstdError, ValueError) as error:
        hint = "remove it: it is made again when a run asks for it"
        raise ChannelError(f"{path} is not a sound package: {error}", hint=hint, exit_code=INTEGRITY) from error
    hexadecimal = {name: digest.hexdigest() for name, digest in digests.items()}
    return {**record, **hexadecimal, "size": path.stat().st_size}


def copy_whole(source: Path, target: Path) -> None:
    """Copy a package into place: whole or not at all, and never a link that an edit could follow back."""
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".tmp-", delete=False) as stream:
        temporary = Path(stream.name)
        try:
            with source.open("rb") as content:
                while chunk := content.read(1 << 20):
                    stream.write(chunk)
            stream.flush()
            os.fsync(stream.fileno())
            temporary.chmod(0o644)
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

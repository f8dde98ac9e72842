"""Write the files of an environment below a new prefix: with their digests checked, and the new prefix in them."""

from __future__ import annotations

import hashlib
import io
import os
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, Protocol

from envkit.errors import IntegrityError, VolumeError
from envkit.models.pack import PackedFile, PackIndex
from envkit.packing.relocate import put_prefix

_CHUNK = 1 << 20
_THREADS = 16  # small files over a network wait for it most of the time
# A file with a prefix in it is held in memory; the largest such binaries have some 100 MB.
_MOST_BYTES = 1 << 30
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Content(Protocol):
    """The content of a file, to read once."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes; none at its end."""
        ...


class TreeWriter:
    """Writes files below a folder that nobody else writes, as those of a prefix."""

    def __init__(self, folder: Path, prefix: Path, name: str) -> None:
        """Begin with an empty folder.

        Args:
            folder: Where files are written.
            prefix: The path that they are to name: that of the folder, or the one that it will get.
            name: What errors call the source.
        """
        self._folder = str(folder)
        self._prefix = str(prefix)
        self._name = name
        self.changed: dict[str, tuple[str, int]] = {}
        """Digest and size of each file that names another prefix now."""

    def make_folders(self, files: Iterable[PackedFile]) -> None:
        """Make every folder that the files need."""
        made = {""}
        for file in files:
            path = file.path if file.kind == "folder" else file.path.rpartition("/")[0]
            missing = []
            while path not in made:
                made.add(path)
                missing.append(path)
                path = path.rpartition("/")[0]
            for inner in reversed(missing):
                os.mkdir(f"{self._folder}/{inner}")

    def put(self, file: PackedFile, content: Content) -> None:
        """Write a file or a link.

        Raises:
            IntegrityError: The content is not what the index says.
            VolumeError: A binary has no room for the path of the prefix.
        """
        path = f"{self._folder}/{file.path}"
        if file.kind == "link":
            os.symlink(file.target, path)
        elif file.kind == "file":
            descriptor = os.open(path, _FLAGS, file.mode | 0o200)
            with open(descriptor, "wb", buffering=_CHUNK) as out:
                self._fill(file, content, out)
                out.flush()
                if not file.mode & 0o200:
                    os.fchmod(descriptor, os.fstat(descriptor).st_mode & 0o555)
                os.utime(descriptor, (file.mtime, file.mtime))

    def _fill(self, file: PackedFile, content: Content, out: BinaryIO) -> None:
        digest, size = hashlib.sha256(), 0
        parts: list[bytes] = []
        while data := content.read(_CHUNK):
            size += len(data)
            if file.sha256:
                digest.update(data)
            if file.embedded is None:
                out.write(data)
            elif size > _MOST_BYTES:
                raise self._differs(file)
            else:
                parts.append(data)
        if size != file.size or (file.sha256 and digest.hexdigest() != file.sha256):
            raise self._differs(file)
        if file.embedded is None:
            return
        before = b"".join(parts)
        try:
            after = put_prefix(before, file.embedded, self._prefix)
        except ValueError as error:
            raise VolumeError(
                f"{file.path} cannot be used at {self._prefix}: {error}",
                hint="Choose a directory with a shorter path.",
            ) from error
        out.write(after)
        if after != before:
            self.changed[file.path] = (hashlib.sha256(after).hexdigest(), len(after))

    def _differs(self, file: PackedFile) -> IntegrityError:
        return IntegrityError(
            f"{self._name} is damaged: {file.path} is not what its index says",
            hint="Copy it again and compare its sha256 with the one that `envkit pack` printed.",
        )


class FolderSource:
    """A prefix on a disk as the source of a copy: files are read by many threads."""

    def __init__(self, index: PackIndex) -> None:
        self.index = index
        self.name = index.prefix

    def close(self) -> None:
        """Do nothing: each file is opened and closed."""

    def copy(self, writer: TreeWriter, files: Sequence[PackedFile], done: Callable[[PackedFile], None]) -> None:
        """Write the files; call `done` after each."""

        def put(file: PackedFile) -> PackedFile:
            if file.kind == "file":
                with open(f"{self.index.prefix}/{file.path}", "rb", buffering=0) as content:
                    writer.put(file, content)
            else:
                writer.put(file, io.BytesIO())
            return file

        with ThreadPoolExecutor(_THREADS) as pool:
            waiting = deque(pool.submit(put, file) for file in files)
            try:
                while waiting:
                    done(waiting.popleft().result())
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise

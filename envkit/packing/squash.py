"""Packs as squashfs: a file system in a file, which can be mounted where the generation was."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from pathlib import Path
from typing import IO

from envkit.errors import UsageError, VolumeError
from envkit.models.pack import PackedFile, PackIndex
from envkit.models.progress import Reporter
from envkit.packing.index import INDEX, LARGEST_INDEX_BYTES, OF_THIS_PLACE, no_pack, parse_index, render_index
from envkit.packing.tree import TreeWriter
from envkit.process import ChildResult, run_child
from envkit.words.values import size_words

SQUASH_MAGIC = b"hsqs"
"""The first bytes of a squashfs."""

_POLL_S = 0.3
_ARGUMENT_BYTES = 64 << 10  # of paths, for one call of unsquashfs
_BLOCK = "256K"


def write_squash(out: Path, prefix: Path, index: PackIndex, *, level: int, reporter: Reporter) -> None:
    """Write a squashfs of the files of an index, as they are below a prefix; the index itself is added.

    Args:
        out: An empty file.
        level: Of zstd, 1 to 19.

    Raises:
        UsageError: mksquashfs is not installed.
        VolumeError: It failed.
    """
    program = _program("mksquashfs")
    reporter.start("pack", f"{len(index.files):,} files, {size_words(index.size_bytes)}", unit="B")
    with tempfile.NamedTemporaryFile(prefix="envkit-index-") as listing, ThreadPoolExecutor(1) as pool:
        listing.write(render_index(index))
        listing.flush()
        # Neither owners, attributes, nor the time of making; the times of files are those of their packages.
        command = [program, str(prefix), str(out), "-noappend", "-no-progress", "-all-root", "-no-xattrs"]
        command += ["-mkfs-time", "0", "-b", _BLOCK, "-comp", "zstd", "-Xcompression-level", str(level)]
        command += ["-p", f"{INDEX} F 0 644 0 0 cat {shlex.quote(listing.name)}"]
        command += ["-e", INDEX, *OF_THIS_PLACE]  # the last option
        running = pool.submit(run_child, command, timeout_s=None, output_limit=1 << 20)
        _watch(running.result, out, reporter)
        done = running.result()
    if done.state != "done":
        raise VolumeError(
            f"mksquashfs {done.ending}: {done.error_text[-300:]}",
            hint=f"Is there room in {out.parent}? See df {out.parent}.",
        )
    reporter.finish("pack", size_words(out.stat().st_size))


def _watch(result: Callable[[float], ChildResult], out: Path, reporter: Reporter) -> None:
    told = 0
    while True:
        try:
            result(_POLL_S)
        except NotYet:
            size = out.stat().st_size
            reporter.advance("pack", max(0, size - told))
            told = max(size, told)
        else:
            return


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise UsageError(
            f"squashfs takes {name}, which is not installed",
            hint="Install squashfs-tools (apt-get, dnf, or conda-forge), or use tar.zst.",
        )
    return found


class SquashReader:
    """A squashfs whose files unsquashfs prints: it writes nothing to the disk, and links in it are never followed."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self._path = path
        self._program = _program("unsquashfs")
        listed = run_child([*self._cat, str(path), INDEX], timeout_s=None, output_limit=LARGEST_INDEX_BYTES)
        if listed.state != "done" or not listed.stdout:
            raise no_pack(self.name, f"it holds no index ({listed.error_text[-200:] or listed.ending})")
        self.index = parse_index(listed.stdout, self.name)

    @property
    def _cat(self) -> list[str]:
        return [self._program, "-no-wildcards", "-cat"]

    def close(self) -> None:
        """Do nothing: each call of unsquashfs opens the file."""

    def copy(self, writer: TreeWriter, files: Sequence[PackedFile], done: Callable[[PackedFile], None]) -> None:
        """Write the files of the pack that are among `files`; call `done` after each."""
        for batch in _batches([file for file in files if file.kind == "file"]):
            words = [*self._cat, str(self._path), *(file.path for file in batch)]
            with subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            ) as child:
                try:
                    for file in batch:
                        writer.put(file, _Part(child.stdout, file.size))
                        done(file)
                finally:
                    child.kill()
        for file in files:
            if file.kind != "file":
                writer.put(file, _Part(None, 0))
                done(file)


def _batches(files: Sequence[PackedFile]) -> Iterator[list[PackedFile]]:
    batch: list[PackedFile] = []
    length = 0
    for file in files:
        length += len(file.path) + 1
        if length > _ARGUMENT_BYTES and batch:
            yield batch
            batch, length = [], len(file.path) + 1
        batch.append(file)
    if batch:
        yield batch


class _Part:
    """So many bytes of a stream."""

    def __init__(self, stream: IO[bytes] | None, size: int) -> None:
        self._stream = stream
        self._left = size

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes; none at its end."""
        if self._stream is None or not self._left:
            return b""
        data = self._stream.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        return data

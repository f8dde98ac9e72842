"""Extract an archive, within a limit: one that expands without end is given up before it fills the volume."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from envkit.engines.starved import unstarved
from envkit.layout.disk import measure

if TYPE_CHECKING:
    from rattler import Client

_POLL_S = 0.25
_FASTEST_BYTES_PER_S = 4 << 30  # nothing decompresses and writes faster
_RATIO = 200  # packages expand to some four times their size, at most to forty
_FROM_BYTES = 512 << 20  # below this, any ratio


class TooLargeError(Exception):
    """An archive expands to more than any package does; `size_bytes` is what was written."""

    def __init__(self, size_bytes: int) -> None:
        super().__init__(size_bytes)
        self.size_bytes = size_bytes


async def extract_within(client: Client, archive: Path, target: Path) -> None:
    """Extract the archive of a package, which was verified, to a new folder.

    py-rattler's `extract` would hold the interpreter's lock to its end; its `download_and_extract` does not. It goes on
    after it was cancelled: then it fails on the next file, since the folder has another name by then, and what it still
    writes of this one goes with the process.

    Raises:
        TooLargeError: It expands to more than 200 times its size, and 512 MiB; `target` is gone.
        rattler.exceptions.ExtractError: It cannot be extracted.
        OSError: It cannot be written, or extracted.
        MemoryError: The system refuses the threads for it.
    """
    import asyncio

    from rattler.package_streaming import download_and_extract

    limit = max(_FROM_BYTES, _RATIO * await asyncio.to_thread(_size, archive))
    extracting = download_and_extract(client, f"file://{quote(str(archive))}", target)
    task = asyncio.ensure_future(unstarved(client, extracting))
    size = 0
    try:
        # What cannot have been reached yet is not measured.
        while not (await asyncio.wait({task}, timeout=max(_POLL_S, (limit - size) / _FASTEST_BYTES_PER_S)))[0]:
            size = await asyncio.to_thread(_size, target)
            if size > limit:
                with contextlib.suppress(OSError):
                    os.rename(target, target.with_name(f"refused-{secrets.token_hex(4)}"))  # noqa: PTH104 - at once
                raise TooLargeError(size)
        task.result()
    finally:
        task.cancel()


def _size(root: Path) -> int:
    return sum(state.st_size for state in measure(root) if not stat.S_ISDIR(state.st_mode))

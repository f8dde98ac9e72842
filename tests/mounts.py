"""Small file systems for a test, which go whatever becomes of the test."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

# It waits for its standard input to end: this process closes that, or dies. What is still in use goes later by itself.
_GUARD = 'cat >/dev/null; umount "$0" 2>/dev/null || umount -l "$0"'


@contextlib.contextmanager
def mounted(place: Path, *mount: str | Path) -> Iterator[Path]:
    """Mount at `place`, made if it is not there, with these arguments of mount(8); skip where that is not allowed."""
    place.mkdir(exist_ok=True)
    done = subprocess.run(["mount", *mount, place], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting is not allowed here, or the kernel knows no such thing: {done.stderr.strip()}")
    # A session of its own: neither Ctrl-C nor the end of a process group takes it.
    guard = subprocess.Popen(["sh", "-c", _GUARD, place], stdin=subprocess.PIPE, start_new_session=True)
    try:
        yield place
    finally:
        guard.communicate()
        assert not place.is_mount()

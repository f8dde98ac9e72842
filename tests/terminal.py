"""Commands on a terminal: what a person sees, line by line, once everything was printed."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios
import threading
from collections.abc import Mapping
from pathlib import Path

import pyte

_LINES = 400


def on_terminal(
    line: str, *, env: Mapping[str, str], cwd: Path, columns: int = 80, timeout_s: float = 120.0
) -> tuple[int, str]:
    """Run a line of bash on a terminal of that width; return its exit code and what the screen shows at the end."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    child = subprocess.Popen(
        ["bash", "-c", line], env=env, cwd=cwd, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    screen = pyte.Screen(columns, _LINES)
    reader = threading.Thread(target=_read, args=(ours, pyte.ByteStream(screen)))
    reader.start()
    try:
        code = child.wait(timeout_s)
        reader.join(timeout_s)
    finally:
        child.kill()
        os.close(ours)
    shown = [row.rstrip() for row in screen.display]
    return code, "\n".join(shown).rstrip()


def _read(terminal: int, stream: pyte.ByteStream) -> None:
    """Feed a screen until the last process closes its end of the terminal, which Linux says as EIO."""
    while True:
        try:
            data = os.read(terminal, 65536)
        except OSError:
            return
        if not data:
            return
        stream.feed(data)

"""Commands that cancel what was started on other machines, should this process be interrupted."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Sequence

_LIMIT_S = 10.0
_commands: list[Sequence[str]] = []


@contextlib.contextmanager
def cancelled_by(command: Sequence[str]) -> Iterator[None]:
    """Have a command run should this process be interrupted meanwhile."""
    _commands.append(command)
    try:
        yield
    finally:
        _commands.remove(command)


def cancel_all() -> None:
    """Run the commands; for a process that leaves at once."""
    for command in tuple(_commands):
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_LIMIT_S, check=False)

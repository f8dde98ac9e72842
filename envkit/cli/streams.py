"""Standard output and error that end no command: whoever reads them may go at any time."""

from __future__ import annotations

import codecs
import io
import os
import sys
from typing import Any

OUTPUT = "standard output"
"""The file name in an error of writing to it."""


_PLAIN = "envkit.plain"
_DRAWN = {"│": "|", "─": "-", "├": "|", "└": "`", "╭": "+", "╮": "+", "╰": "+", "╯": "+"}


def _plain(error: UnicodeError) -> tuple[str, int]:
    """Return what stands for characters that an encoding lacks, and where it goes on; for `codecs.register_error`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_DRAWN.get(character, "?") for character in error.object[error.start : error.end]), error.end


class _Outlet(io.FileIO):
    """A stream whose output goes nowhere once nobody reads it; what the command does, and its exit code, stay."""

    def write(self, data: Any, /) -> int:
        """See `io.RawIOBase.write`."""
        try:
            return super().write(data)
        except BrokenPipeError:
            self._go_nowhere()
            return len(data)
        except OSError as error:
            self._go_nowhere()  # or closing it would raise again
            if self.fileno() == 2:
                return len(data)
            raise OSError(error.errno, error.strerror, OUTPUT) from None

    def _go_nowhere(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def guard_streams() -> None:
    """Put such streams in the place of Python's own; a character that their encoding lacks ends no command either."""
    codecs.register_error(_PLAIN, _plain)
    for number, name in ((1, "stdout"), (2, "stderr")):
        before = getattr(sys, name)
        if not isinstance(before, io.TextIOWrapper):  # a test's, or a program's own
            continue
        before.flush()
        raw = _Outlet(number, "wb", closefd=False)
        text = io.TextIOWrapper(
            io.BufferedWriter(raw),
            encoding=before.encoding,
            errors=before.errors if before.encoding.lower().startswith("utf") else _PLAIN,
            line_buffering=number == 2 or raw.isatty(),
        )
        setattr(sys, name, text)

"""The abilities of the terminal, or of what stands in its place."""

from __future__ import annotations

import os
from typing import TextIO

_DEFAULT = 80
_ESCAPE = "\x1b["
_DULL = frozenset({"dumb", "unknown"})
_COLOURS = {"red": 31, "green": 32, "yellow": 33, "blue": 34, "magenta": 35, "cyan": 36}
_ATTRIBUTES = {"bold": 1, "dim": 2, "italic": 3}


def terminal_width(pipe: int = _DEFAULT) -> int:
    """Return the columns of the terminal, or those of COLUMNS; `pipe`, where there is neither."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns):
        return int(columns)
    for number in (0, 1, 2):
        try:
            width = os.get_terminal_size(number).columns
        except (OSError, ValueError, AttributeError):
            continue
        if width:
            return width
    return pipe


def has_styles(stream: TextIO) -> bool:
    """Return whether a stream shows styles; FORCE_COLOR says yes, and TERM=dumb no."""
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM", "").lower() not in _DULL


def styled(text: str, style: str) -> str:
    """Return text with the escapes of a style, such as ``bold red``. With NO_COLOR, colours are left out."""
    plain = bool(os.environ.get("NO_COLOR"))
    codes = [str(_ATTRIBUTES.get(word) or _COLOURS[word]) for word in style.split() if word in _ATTRIBUTES or not plain]
    return f"{_ESCAPE}{';'.join(codes)}m{text}{_ESCAPE}0m" if codes and text else text


def draws_boxes(stream: TextIO) -> bool:
    """Return whether a stream takes the characters of boxes."""
    return (stream.encoding or "").lower().startswith("utf")

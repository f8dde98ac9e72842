"""Decode files of text, as editors and shells write them."""

from __future__ import annotations

import codecs
from pathlib import Path

from envkit.errors import RecipeError

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def decode_text(data: bytes, path: Path) -> str:
    """Decode UTF-8, with or without byte order mark, or UTF-16 with one, as PowerShell's ``>`` writes it.

    Raises:
        RecipeError: It is neither, or no text.
    """
    try:
        text = data.decode("utf-16" if data.startswith(_UTF16) else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise RecipeError(
            f"{path}:{line} cannot be read: it is not UTF-8 (byte {error.start})",
            hint="Save it as UTF-8 in an editor, or convert it with iconv.",
        ) from None
    if "\0" in text:
        raise RecipeError(
            f"{path}:{text.count(chr(10), 0, text.index(chr(0))) + 1} cannot be read: it holds NUL characters",
            hint="It is no text; UTF-16 needs a byte order mark. Save it as UTF-8.",
        )
    return text

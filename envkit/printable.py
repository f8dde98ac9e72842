"""Text of others, made safe to print: on a terminal, in HTML, in a log."""

from __future__ import annotations

from envkit.patterns import regex

# C0 and C1 controls but tab and newline, and the marks that turn the direction of text (Unicode UAX 9): a terminal
# obeys them, and they make one text look like another. Lone surrogates cannot be encoded.
_UNSEEN = regex("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_BREAKS = regex(r"[\t ]*(?:\r\n|\n|\r)\s*")


def printable(text: str) -> str:
    """Return text as one line, with control characters replaced."""
    if text.isprintable() and text.isascii():
        return text
    return printable_lines(_BREAKS.sub(" ", text))


def printable_lines(text: str) -> str:
    """Return text of several lines with control characters replaced."""
    return _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text)


def escape_json(text: str) -> str:
    """Return a JSON document with control characters as escapes; they can stand in its strings only (RFC 8259, 7)."""
    return _UNSEEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text)

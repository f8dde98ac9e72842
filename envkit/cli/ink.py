"""Text with styles, measured in columns of a terminal and broken into lines.

Written for pipes as well as terminals, without rich: loading it takes longer than most commands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from envkit.cli.terminal import styled
from envkit.printable import printable

_TAG = "\x01"  # these stand in no printable text
_END = "\x02"


class Text:
    """Text in spans, each of one style, such as ``bold red``."""

    __slots__ = ("spans",)

    def __init__(self, text: str = "", style: str = "") -> None:
        self.spans: list[tuple[str, str]] = [(text, style)] if text else []

    @property
    def plain(self) -> str:
        """Return the text without styles."""
        return "".join(text for text, _ in self.spans)

    def append(self, text: str | Text, style: str = "") -> Text:
        """Add text, and return the whole."""
        if isinstance(text, Text):
            self.spans += text.spans
        elif text:
            self.spans.append((text, style))
        return self

    def cut(self, start: int, end: int) -> Text:
        """Return the characters from `start` to `end`."""
        piece, place = Text(), 0
        for text, style in self.spans:
            piece.append(text[max(0, start - place) : max(0, end - place)], style)
            place += len(text)
        return piece

    def painted(self, *, has_styles: bool, base: str = "") -> str:
        """Return the text with the escapes of a terminal, or without."""
        if not has_styles:
            return self.plain
        return "".join(styled(text, f"{base} {style}") for text, style in self.spans)


class Marked(str):
    """A text with styles, made by `mark`."""

    __slots__ = ()


def mark(template: str, *values: object) -> Marked:
    """Put values into a template with styles in brackets; the values have none, unless they are `Marked`.

    ``[bold red]{}[/bold red]``: the closing bracket ends what the last one opened.
    """
    shown = template.format(*(v if isinstance(v, Marked) else _hidden(printable(str(v))) for v in values))
    return Marked(shown)


def _hidden(text: str) -> str:
    """Return text whose brackets are not those of a template."""
    return text.replace("[", _TAG).replace("]", _END)


def _read(text: str) -> Text:
    """Return a marked text as spans."""
    found = Text()
    styles: list[str] = []
    for number, part in enumerate(text.split("[")):
        tag, bracket, rest = part.partition("]") if number else ("", "", part)
        if bracket and tag.startswith("/"):
            styles = styles[:-1]
        elif bracket:
            styles.append(tag)
        else:
            rest = part
        found.append(rest.replace(_TAG, "[").replace(_END, "]"), " ".join(styles))
    return found


def as_text(value: str | Text, style: str = "") -> Text:
    """Return what is to be printed as text: strings on one line and without control characters."""
    if isinstance(value, Text):
        return value
    if isinstance(value, Marked):
        return _read(value)
    return Text(printable(value), style)


def columns_of(text: str) -> int:
    """Return the columns that a text takes on a terminal."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(character: str) -> int:
    import unicodedata

    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def widest_word(text: str) -> int:
    """Return the columns of the longest word."""
    return max(map(columns_of, text.split()), default=0)


def broken(text: Text, width: int) -> list[Text]:
    """Return text as lines of at most so many columns, broken between words; a word that is longer is cut."""
    plain = text.plain
    if columns_of(plain) <= width:
        return [text]
    return [text.cut(start, end) for start, end in _breaks(plain, max(width, 1))]


def _breaks(plain: str, width: int) -> Iterator[tuple[int, int]]:
    """Yield the beginning and the end of each line; spaces at a break belong to none."""
    start = end = 0  # of the line, without spaces behind it
    used = 0
    for word_start, word_end in _words(plain):
        length = columns_of(plain[start:word_end])
        if used and length > width:
            yield start, end
            start, length = word_start, columns_of(plain[word_start:word_end])
        while length > width:
            cut = _cut(plain, start, width)
            yield start, cut
            start, length = cut, columns_of(plain[cut:word_end])
        end, used = word_end, length
    yield start, end


def _words(plain: str) -> Iterator[tuple[int, int]]:
    place = 0
    while place < len(plain):
        begin = place
        while begin < len(plain) and plain[begin] == " ":
            begin += 1
        place = plain.find(" ", begin)
        place = len(plain) if place < 0 else place
        if begin < place:
            yield begin, place


def _cut(plain: str, start: int, width: int) -> int:
    """Return where a line that begins at `start` is full; it has a character at least."""
    used = 0
    for place in range(start, len(plain)):
        used += columns_of(plain[place])
        if used > width and place > start:
            return place
    return len(plain)


def joined(parts: Iterable[Text], between: str = " ") -> Text:
    """Return texts as one."""
    whole = Text()
    for number, part in enumerate(parts):
        whole.append(between if number else "").append(part)
    return whole


def assembled(parts: Sequence[tuple[str, str]]) -> Text:
    """Return a text of parts and their styles."""
    whole = Text()
    for text, style in parts:
        whole.append(text, style)
    return whole

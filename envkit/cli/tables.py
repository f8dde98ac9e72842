"""Tables and trees, drawn for a width."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from envkit.cli.ink import Text, as_text, broken, columns_of, widest_word

_GAP = 2  # columns between columns


class Column:
    """A column of a table: its header, and how its cells are laid out."""

    __slots__ = ("header", "is_right", "is_whole")

    def __init__(self, header: str, *, is_right: bool = False, is_whole: bool = False) -> None:
        self.header = header
        self.is_right = is_right
        self.is_whole = is_whole  # on one line, while there is room


class Table:
    """Rows of cells; headers are bold, and only shown if there are any."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = list(columns)
        self._shown = list(range(len(self.columns)))
        self._rows: list[list[Text]] = []

    def add_row(self, *cells: str | Text) -> None:
        """Add a row, with a cell for each column."""
        self._rows.append([as_text(cell) for cell in cells])

    def drop(self, header: str) -> None:
        """Leave columns of this header out."""
        self._shown = [number for number in self._shown if self.columns[number].header != header]

    def _cells(self, number: int) -> Iterator[str]:
        yield self.columns[number].header
        for row in self._rows:
            yield row[number].plain if number < len(row) else ""

    def widest(self) -> int:
        """Return the columns of the terminal that the table takes if nothing is broken."""
        widths = [max(map(columns_of, self._cells(number))) for number in self._shown]
        return sum(widths) + _GAP * max(0, len(widths) - 1)

    def narrowest(self) -> int:
        """Return the columns of the terminal that keep words whole, and cells that are to stay on one line."""
        widths = [
            max(map(columns_of if self.columns[number].is_whole else widest_word, self._cells(number)))
            for number in self._shown
        ]
        return sum(widths) + _GAP * max(0, len(widths) - 1)

    def lines(self, width: int) -> Iterator[Text]:
        """Yield the lines of the table for a terminal of that width."""
        natural = [max(map(columns_of, self._cells(number))) for number in self._shown]
        flexible = [not self.columns[number].is_whole for number in self._shown]
        words = [max(map(widest_word, self._cells(number))) for number in self._shown]
        widths = _narrowed(natural, words, flexible, width - _GAP * max(0, len(natural) - 1))
        rows = [[row[n] if n < len(row) else Text() for n in self._shown] for row in self._rows]
        headers = [self.columns[number].header for number in self._shown]
        if any(headers):
            rows.insert(0, [Text(header, "bold") for header in headers])
        for row in rows:
            cells = [broken(cell, widths[n]) for n, cell in enumerate(row)]
            for number in range(max(map(len, cells), default=0)):
                yield self._line([cell[number] if number < len(cell) else Text() for cell in cells], widths)

    def _line(self, cells: Sequence[Text], widths: Sequence[int]) -> Text:
        line = Text()
        owed = 0  # spaces before the next text: none end a line
        for n, cell in enumerate(cells):
            plain = cell.plain
            spare = max(0, widths[n] - columns_of(plain))
            is_right = self.columns[self._shown[n]].is_right
            if plain:
                line.append(" " * (owed + (spare if is_right else 0))).append(cell)
                owed = 0 if is_right else spare
            else:
                owed += widths[n]
            owed += _GAP
        return line


def _narrowed(natural: Sequence[int], words: Sequence[int], flexible: Sequence[bool], room: int) -> list[int]:
    """Return the widths of columns that fit a room.

    The widest flexible ones give first, as far as their longest words; then what is left of them; then all.
    """
    widths = list(natural)
    loose = [n for n, able in enumerate(flexible) if able]
    least = [1] * len(widths)
    for chosen, limits in ((loose, words), (loose, least), (range(len(widths)), least)):
        while sum(widths) > room and (able := [n for n in chosen if widths[n] > limits[n]]):
            excess = sum(widths) - room
            most = max(widths[n] for n in able)
            widest = [n for n in able if widths[n] == most]
            bounds = [widths[n] for n in able if widths[n] < most] + [limits[n] for n in widest]
            step = min(most - max(bounds), -(-excess // len(widest)))
            for n in widest:
                if sum(widths) > room:
                    widths[n] -= min(step, sum(widths) - room)
    return widths


class Twig:
    """A tree of texts."""

    def __init__(self, text: Text) -> None:
        self.text = text
        self.twigs: list[Twig] = []

    def add(self, text: Text) -> Twig:
        """Add a branch and return it."""
        twig = Twig(text)
        self.twigs.append(twig)
        return twig

    def lines(self, width: int) -> Iterator[Text]:
        """Yield the lines of the tree for a terminal of that width."""
        yield from broken(self.text, width)
        for number, twig in enumerate(self.twigs):
            is_last = number == len(self.twigs) - 1
            for row, line in enumerate(twig.lines(max(1, width - 4))):
                guide = ("    " if is_last else "│   ") if row else ("└── " if is_last else "├── ")
                yield Text(guide, "dim").append(line)

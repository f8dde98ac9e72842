"""Printing: JSON for scripts, tables for people.

Text comes from channels, packages, files and other people's programs. A console prints each string as it is, on one
line, without markup and without control characters; only what `mark` made has markup.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TextIO

from envkit.cli.ink import Marked, Text, as_text, assembled, broken, joined, mark
from envkit.cli.tables import Column, Table, Twig
from envkit.cli.terminal import has_styles, terminal_width
from envkit.printable import escape_json, printable

if TYPE_CHECKING:
    from envkit.models.problem import Problem, ProblemKind

__all__ = ["Console", "Marked", "Table", "Text", "console", "fitting", "human_date", "labelled", "literal", "mark"]

_PIPE_WIDTH = 160

TIER_STYLE = {
    "native": "green",
    "minor": "green",
    "jit": "yellow",
    "compat": "yellow",
    "unknown": "yellow",
    "cpu": "cyan",
    "no": "red",
}
_KIND_STYLE: dict[ProblemKind, str] = {"missing": "red", "conflict": "red", "constraint": "yellow"}
STATUS_STYLE = {"pass": "green", "fail": "bold red", "warn": "yellow", "skip": "cyan"}


class Console:
    """A place to print to. It obeys no control characters in the text that it prints."""

    def __init__(self, file: TextIO, width: int, *, wraps: bool = True) -> None:
        self.file = file
        self.width = width
        self._wraps = wraps
        self._has_styles = has_styles(file)

    def print(self, *shown: str | Text | Table | Twig, style: str = "", end: str = "\n") -> None:
        """Print texts beside one another, or a table or a tree."""
        lines = [line.painted(has_styles=self._has_styles, base=style) for line in self._lines(shown)]
        if lines:  # a table without rows is no empty line
            self.file.write("\n".join(lines) + end)

    def _lines(self, shown: Sequence[str | Text | Table | Twig]) -> Iterator[Text]:
        for one in shown:
            if isinstance(one, Table | Twig):
                yield from one.lines(self.width)
        texts = [as_text(one) for one in shown if not isinstance(one, Table | Twig)]
        if texts:
            text = joined(texts)
            yield from broken(text, self.width) if self._wraps else [text]


def console(*, stderr: bool = False) -> Console:
    """Return a console on stdout; in a pipe, 160 columns wide unless COLUMNS says otherwise.

    On stderr, lines are wrapped for terminals only: in a pipe, each message stays on one line.
    """
    from envkit.cli.progress import clear_bar

    clear_bar()
    if stderr:
        return Console(sys.stderr, terminal_width(), wraps=sys.stderr.isatty())
    is_pipe = not sys.stdout.isatty() and not os.environ.get("COLUMNS", "").isdigit()
    return Console(sys.stdout, _PIPE_WIDTH if is_pipe else terminal_width())


def literal(text: str, style: str = "") -> Text:
    """Return foreign text, on one line and without control characters."""
    return Text(printable(text), style)


def labelled(*rows: tuple[str, str, str]) -> Table:
    """Return a grid of rows: a label, its style, and a text that wraps beside it."""
    grid = Table([Column("", is_whole=True), Column("")])
    for label, style, text in rows:
        grid.add_row(literal(label, style), literal(text))
    return grid


def table(*columns: str, right: tuple[str, ...] = (), whole: tuple[str, ...] = ()) -> Table:
    """Return an empty table. Cells of columns in `whole` keep to one line while there is room."""
    return Table([Column(printable(column), is_right=column in right, is_whole=column in whole) for column in columns])


def without(out: Console, view: Table, *spare: str) -> Table:
    """Drop columns of a table, in the order of `spare`, until it fits the terminal."""
    for header in spare:
        if view.widest() <= out.width:
            break
        view.drop(header)
    return view


def fitting(out: Console, view: Table, *spare: str) -> Table:
    """Drop columns of a table, in the order of `spare`, until the terminal has room for the longest word of each."""
    for header in spare:
        if view.narrowest() <= out.width:
            break
        view.drop(header)
    return view


def print_json(document: Mapping[str, Any]) -> None:
    """Print one document on stdout, with its schema version."""
    from envkit.wire.results import SCHEMA_VERSION

    document = {"schema_version": SCHEMA_VERSION, **document}
    sys.stdout.write(escape_json(json.dumps(document, indent=1, ensure_ascii=False)) + "\n")


def render_problem(out: Console, problem: Problem) -> None:
    """Print why a request has no solution, as a tree; of a long tree, the beginning."""
    from envkit.models.problem import LINES, problem_lines

    out.print(literal(problem.text))
    lines = list(problem_lines(problem))
    for before, node in islice(lines, LINES):
        out.print(assembled([(before, "dim"), (printable(node.text), _KIND_STYLE.get(node.kind, ""))]))
    if len(lines) > LINES:
        out.print(literal(f"and {len(lines) - LINES} more lines: --json has the whole tree", "dim"))


def human_date(milliseconds: int | None) -> str:
    """Return the day of a record's timestamp; an empty text if it has none."""
    if not milliseconds:
        return ""
    import datetime

    seconds = milliseconds / 1000 if milliseconds > 10**11 else milliseconds
    return datetime.datetime.fromtimestamp(seconds, tz=datetime.timezone.utc).strftime("%Y-%m-%d")

"""Printing: JSON for scripts, tables for people.

Text comes from channels, packages, files and other people's programs. A console prints each string as it is, on one
line, without markup and without control characters; only what `mark` made has markup.
"""

from __future__ import annotations

import datetime
import json
import os
import sys
from collections.abc import Mapping
from itertools import islice
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from envkit.models.problem import LINES, Problem, ProblemKind, problem_lines
from envkit.printable import escape_json, printable

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


class Marked(str):
    """A text with markup of rich, made by `mark`."""

    __slots__ = ()


def mark(template: str, *values: object) -> Marked:
    """Put values into a template with markup; the values themselves have none, unless they are `Marked`."""
    return Marked(template.format(*(v if isinstance(v, Marked) else escape(printable(str(v))) for v in values)))


class SafeConsole(Console):
    """A console that reads no markup and obeys no control characters in the text that it prints."""

    def render_str(self, text: str, **how: Any) -> Text:
        """See `rich.console.Console.render_str`; for each string to print and each cell of a table."""
        marked = isinstance(text, Marked)
        return super().render_str(text if marked else printable(text), **{**how, "markup": marked, "emoji": False})


def console(*, stderr: bool = False) -> SafeConsole:
    """Return a console on stdout; in a pipe, 160 columns wide unless COLUMNS says otherwise.

    On stderr, lines are wrapped for terminals only: in a pipe, each message stays on one line.
    """
    from envkit.cli.progress import clear_bar

    clear_bar()
    columns = os.environ.get("COLUMNS", "")
    width = None if sys.stdout.isatty() or columns.isdigit() else _PIPE_WIDTH
    if stderr:
        return SafeConsole(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())
    return SafeConsole(highlight=False, width=width, soft_wrap=False)


def literal(text: str, style: str = "") -> Text:
    """Return foreign text for rich, which reads no markup in it."""
    return Text(printable(text), style=style)


def labelled(*rows: tuple[str, str, str]) -> Table:
    """Return a grid of rows: a label, its style, and a text that wraps beside it."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for label, style, text in rows:
        grid.add_row(literal(label, style), literal(text))
    return grid


def table(*columns: str, right: tuple[str, ...] = (), whole: tuple[str, ...] = ()) -> Table:
    """Return an empty table. Cells of columns in `whole` keep to one line while there is room."""
    result = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0), show_header=any(columns))
    for column in columns:
        result.add_column(
            column, justify="right" if column in right else "left", overflow="fold", no_wrap=column in whole
        )
    return result


def without(out: Console, view: Table, *spare: str) -> Table:
    """Drop columns of a table, in the order of `spare`, until it fits the terminal."""
    unlimited = out.options.update(max_width=10_000)
    for header in spare:
        if out.measure(view, options=unlimited).maximum <= out.width:
            break
        view.columns = [column for column in view.columns if column.header != header]
    return view


def fitting(out: Console, view: Table, *spare: str) -> Table:
    """Drop columns of a table, in the order of `spare`, until the terminal has room for the longest word of each."""
    unlimited = out.options.update(max_width=10_000)
    for header in spare:
        if out.measure(view, options=unlimited).minimum <= out.width:
            break
        view.columns = [column for column in view.columns if column.header != header]
    return view


def print_json(document: Mapping[str, Any]) -> None:
    """Print one document on stdout, with its schema version."""
    from envkit.wire.results import SCHEMA_VERSION

    document = {"schema_version": SCHEMA_VERSION, **document}
    sys.stdout.write(escape_json(json.dumps(document, indent=1, ensure_ascii=False)) + "\n")


def render_problem(out: Console, problem: Problem) -> None:
    """Print why a request has no solution, as a tree; of a long tree, the beginning."""
    out.print(literal(problem.text))
    lines = list(problem_lines(problem))
    for before, node in islice(lines, LINES):
        out.print(Text.assemble((before, "dim"), literal(node.text, _KIND_STYLE.get(node.kind, ""))))
    if len(lines) > LINES:
        out.print(literal(f"and {len(lines) - LINES} more lines: --json has the whole tree", "dim"))


def human_date(milliseconds: int | None) -> str:
    """Return the day of a record's timestamp; an empty text if it has none."""
    if not milliseconds:
        return ""
    seconds = milliseconds / 1000 if milliseconds > 10**11 else milliseconds
    return datetime.datetime.fromtimestamp(seconds, tz=datetime.timezone.utc).strftime("%Y-%m-%d")

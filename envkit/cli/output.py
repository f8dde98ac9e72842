"""Printing: JSON for scripts, tables for people."""

from __future__ import annotations

import datetime
import json
import os
import re
import sys
from collections.abc import Mapping
from itertools import islice
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from envkit.models.problem import LINES, Problem, ProblemKind, problem_lines

_PIPE_WIDTH = 160
# C0 and C1 controls but tab and newline, and the marks that turn the direction of text (Unicode UAX 9).
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")

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


def console() -> Console:
    """Return a console on stdout; in a pipe, 160 columns wide unless COLUMNS says otherwise."""
    from envkit.cli.progress import clear_bar

    clear_bar()
    columns = os.environ.get("COLUMNS", "")
    width = None if sys.stdout.isatty() or columns.isdigit() else _PIPE_WIDTH
    return Console(highlight=False, width=width, soft_wrap=False)


def visible(text: str) -> str:
    """Return foreign text with control characters replaced, which a terminal would obey."""
    return _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text)


def literal(text: str, style: str = "") -> Text:
    """Return foreign text for rich, which reads no markup in it."""
    return Text(visible(text), style=style)


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


def print_json(document: Mapping[str, Any]) -> None:
    """Print one document on stdout, with its schema version."""
    from envkit.wire.results import SCHEMA_VERSION

    document = {"schema_version": SCHEMA_VERSION, **document}
    sys.stdout.write(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


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

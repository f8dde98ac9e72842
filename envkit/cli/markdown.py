"""Markdown on a terminal."""

from __future__ import annotations

from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import Markdown, TableElement
from rich.table import Table

from envkit.cli.terminal import terminal_width


class _WholeNames(TableElement):
    """A table that cuts nothing off: its first column is as wide as the longest name, the others wrap."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for table in super().__rich_console__(console, options):
            if isinstance(table, Table):
                for column in table.columns:
                    column.overflow = "fold"
                first = table.columns[0]
                names = [word for cell in (first.header, *first.cells) for word in str(cell).split()]
                first.width = max(map(len, names), default=0)
            yield table


class Page(Markdown):
    """Markdown with such tables."""

    elements = {**Markdown.elements, "table_open": _WholeNames}  # noqa: RUF012 - rich's own annotation


def print_page(markdown: str) -> None:
    """Print Markdown on stdout, as wide as the terminal, in a pager too; 160 columns where there is none."""
    Console(highlight=False, width=terminal_width(160)).print(Page(markdown))

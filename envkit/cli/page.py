"""Parts of HTML pages; all text is escaped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone
from html import escape
from pathlib import Path

from envkit.errors import UsageError
from envkit.printable import printable


def write_page(path: Path, make: Callable[[str], str]) -> None:
    """Write a page, which is made from the words for now.

    Raises:
        UsageError: The file cannot be written.
    """
    from envkit.layout.atomic import write_atomic

    created = datetime.now(tz=timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    try:
        write_atomic(path.absolute(), make(created))
    except OSError as error:
        hint = "Give another file with --html."
        raise UsageError(f"{path} cannot be written: {error.strerror}", hint=hint) from error


def page(title: str, parts: Iterable[str], created: str) -> str:
    """Return a whole page of parts that are HTML."""
    from markupsafe import Markup

    from envkit.pages.frame import render_page

    html = [Markup(part) for part in parts]  # made by the functions below
    return render_page("parts.html", title=title, created=created, parts=html)


def text(value: object) -> str:
    """Return text as HTML that shows it."""
    return escape(printable(str(value)), quote=True)


def badge(status: str, words: str = "") -> str:
    """Return a word on a coloured ground; the status chooses the colour."""
    return f'<span class="b {text(status)}">{text(words or status)}</span>'


def section(title: str, content: str) -> str:
    """Return HTML below a heading."""
    return f"<section>\n<h2>{text(title)}</h2>\n{content}\n</section>"


def text_grid(head: Sequence[str], rows: Iterable[Sequence[object]], *, right: int | None = None) -> str:
    """Return a table of text; numbers in the column `right`."""
    lines = []
    for row in rows:
        cells = (f"<td{' class=n' if index == right else ''}>{text(cell)}</td>" for index, cell in enumerate(row))
        lines.append("".join(cells))
    return grid(head, lines)


def grid(head: Sequence[str], rows: Iterable[str]) -> str:
    """Return a table of rows whose cells are HTML."""
    names = "".join(f"<th>{text(name)}</th>" if name else "<td></td>" for name in head)
    lines = ["<table>", f"<thead><tr>{names}</tr></thead>", "<tbody>", *(f"<tr>{row}</tr>" for row in rows)]
    return "\n".join([*lines, "</tbody>", "</table>"])


def facts(listed: Iterable[tuple[str, object]]) -> str:
    """Return names and values as a table, without those that are empty."""
    rows = (f"<tr><th>{text(name)}</th><td>{text(value)}</td></tr>" for name, value in listed if value)
    return "<table><tbody>\n" + "\n".join(rows) + "\n</tbody></table>"

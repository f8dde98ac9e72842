"""Tables as text for a console and as HTML for a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from envkit.printable import printable

_STYLE = "text-align:left;vertical-align:top"
_WIDEST = 60


def text_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return rows in aligned columns; cells wider than 60 characters overflow."""
    lines = [list(columns), *([printable(str(cell)) for cell in row] for row in rows)]
    widths = [min(max(len(line[i]) for line in lines), _WIDEST) for i in range(len(columns))]
    shown = ["  ".join(line[i].ljust(width) for i, width in enumerate(widths)).rstrip() for line in lines]
    return "\n".join(shown)


def html_table(
    caption: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, notes: Iterable[str] = ()
) -> str:
    """Return an HTML table. All text is escaped, since names and reasons come from channels."""
    from html import escape

    head = "".join(f'<th style="{_STYLE}">{escape(printable(column))}</th>' for column in columns)
    body = "".join(
        "<tr>" + "".join(f'<td style="{_STYLE}">{escape(printable(str(cell)))}</td>' for cell in row) + "</tr>"
        for row in rows
    )
    after = "".join(f"<p>{escape(printable(note))}</p>" for note in notes)
    caption = f'<caption style="{_STYLE}">{escape(printable(caption))}</caption>'
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{after}"

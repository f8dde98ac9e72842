"""Rows as text and as HTML, for results that show themselves in a console and in a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["html_table", "text_table"]

_STYLE = "text-align:left;vertical-align:top"
_WIDEST = 60


def text_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns of text, as wide as they have to be; the last one is not cut."""
    lines = [list(columns), *([str(cell) for cell in row] for row in rows)]
    widths = [min(max(len(line[i]) for line in lines), _WIDEST) for i in range(len(columns))]
    shown = ["  ".join(line[i].ljust(width) for i, width in enumerate(widths)).rstrip() for line in lines]
    return "\n".join(shown)


def html_table(
    caption: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, notes: Iterable[str] = ()
) -> str:
    """A table for a notebook. Everything that comes in is escaped: names and reasons come from channels."""
    from html import escape

    head = "".join(f'<th style="{_STYLE}">{escape(column)}</th>' for column in columns)
    body = "".join(
        "<tr>" + "".join(f'<td style="{_STYLE}">{escape(str(cell))}</td>' for cell in row) + "</tr>" for row in rows
    )
    after = "".join(f"<p>{escape(note)}</p>" for note in notes)
    caption = f'<caption style="{_STYLE}">{escape(caption)}</caption>'
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{after}"

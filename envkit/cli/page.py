"""The frame of an HTML page, which loads nothing and escapes all text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from envkit import __version__
from envkit.printable import printable

_STYLE = """
:root{color-scheme:light dark;--line:#8883;--dim:#8889}
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;padding:0 1rem;max-width:72rem}
h1{font-size:1.4rem;overflow-wrap:anywhere} h2{font-size:1.05rem;margin:2rem 0 .5rem}
table{border-collapse:collapse;width:100%} td,th{text-align:left;vertical-align:top;padding:.3rem .8rem .3rem 0;
border-bottom:1px solid var(--line);overflow-wrap:anywhere}
th{font-weight:600} tbody th{width:9rem} td.n{text-align:right;white-space:nowrap}
.b{display:inline-block;min-width:3rem;text-align:center;border-radius:.3rem;padding:0 .4rem;color:#fff;font-size:.85em}
.pass{background:#1a7f37}.fail{background:#cf222e}.warn{background:#9a6700}.skip{background:#57606a}
.ok{background:#1a7f3733}.few{background:#9a670033}
.cure{display:block}.dim,footer{color:var(--dim)} code{font-size:.9em}
"""


def page(title: str, parts: Iterable[str], created: str) -> str:
    """Return a whole page."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        # In case something slips through the escaping: the browser runs and loads nothing.
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{text(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(parts)
        + f"\n<footer><p>envkit {text(__version__)}, {text(created)}</p></footer>\n</body>\n</html>\n"
    )


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
    names = "".join(f"<th>{text(name)}</th>" for name in head)
    lines = ["<table>", f"<thead><tr>{names}</tr></thead>", "<tbody>", *(f"<tr>{row}</tr>" for row in rows)]
    return "\n".join([*lines, "</tbody>", "</table>"])


def facts(listed: Iterable[tuple[str, object]]) -> str:
    """Return names and values as a table, without those that are empty."""
    rows = (f"<tr><th>{text(name)}</th><td>{text(value)}</td></tr>" for name, value in listed if value)
    return "<table><tbody>\n" + "\n".join(rows) + "\n</tbody></table>"

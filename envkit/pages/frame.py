"""Render a template within the frame that all pages share.

A template begins with ``{% extends "frame.html" %}`` and fills the block ``content``. Values are escaped, and control
characters in them replaced; a value that a template names and nobody gave is an error. A page may bring a script: a
file beside the templates, which the page names in `render_page`. The browser runs that and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envkit import __version__
from envkit.printable import printable

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = Path(__file__).parent / "templates"


def render_page(template: str, *, title: str, created: str, script: str | None = None, **values: object) -> str:
    """Return a whole page.

    Args:
        template: The name of its template.
        title: Its title, as text.
        created: When its content was put together; shown below it.
        script: The name of a file of JavaScript.
        values: What the template names.
    """
    from markupsafe import Markup

    style, code = _read("style.css"), _read(script) if script else ""
    # In case something slips through the escaping: the browser runs and loads nothing but these.
    policy = ["default-src 'none'", "style-src 'unsafe-inline'"]
    if code:
        policy.append(f"script-src '{_digest(code)}'")
    return (
        _environment()
        .get_template(template)
        .render(
            title=title,
            created=created,
            version=__version__,
            style=Markup(style),  # a file of ours
            script=Markup(code),  # a file of ours
            policy=Markup("; ".join(policy)),
            **values,
        )
    )


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(_TEMPLATES, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["code"] = _code
    return made


def _shown(value: object) -> Any:
    """Return a value as it may be printed; what a template has escaped already stays as it is."""
    if hasattr(value, "__html__"):
        return value
    return "" if value is None else printable(str(value))


def _code(text: str) -> Any:
    """Return a sentence as HTML, with what stands in backticks as code."""
    from markupsafe import Markup

    parts = printable(text).split("`")
    if len(parts) % 2 == 0:  # one that is never closed
        return text
    return Markup().join(
        Markup("<code>{}</code>").format(part) if index % 2 else part for index, part in enumerate(parts)
    )


@cache
def _read(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _digest(code: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}"

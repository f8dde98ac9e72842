"""Printing: JSON for scripts, tables for people."""

from __future__ import annotations

import datetime
import json
import sys
from typing import Any

from rich.console import Console
from rich.table import Table

__all__ = ["STATUS_STYLE", "TIER_STYLE", "console", "human_bytes", "human_date", "print_json", "table"]

TIER_STYLE = {
    "native": "green",
    "minor": "green",
    "jit": "yellow",
    "compat": "yellow",
    "unknown": "yellow",
    "cpu": "cyan",
    "no": "red",
}
STATUS_STYLE = {"pass": "green", "fail": "bold red", "warn": "yellow", "skip": "cyan"}


def console() -> Console:
    """What people read, on stdout; wide enough for tables in a pipe."""
    terminal = sys.stdout.isatty()
    return Console(highlight=False, width=None if terminal else 160, soft_wrap=False)


def table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    """An empty table in the house style."""
    result = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        result.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return result


def print_json(document: dict[str, Any]) -> None:
    """Print one document on stdout."""
    sys.stdout.write(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def human_bytes(number: float | None) -> str:
    """Bytes as people read them, in powers of 1000."""
    if number is None:
        return "?"
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000 or unit == "GB":  # noqa: PLR2004
            return f"{number:.0f} {unit}" if unit in {"B", "kB"} else f"{number:.1f} {unit}"
        number /= 1000
    raise AssertionError


def human_date(milliseconds: int | None) -> str:
    """The day of a record's timestamp; empty when the index has none."""
    if not milliseconds:
        return ""
    seconds = milliseconds / 1000 if milliseconds > 10**11 else milliseconds
    return datetime.datetime.fromtimestamp(seconds, tz=datetime.timezone.utc).strftime("%Y-%m-%d")

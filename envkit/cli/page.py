"""HTML pages: where they are written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from envkit.errors import UsageError


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

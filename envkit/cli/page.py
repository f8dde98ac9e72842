"""HTML pages: where they are written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from envkit.errors import UsageError
from envkit.models.progress import Reporter


def write_page(path: Path, make: Callable[[str], str], reporter: Reporter) -> None:
    """Write a page, which is made from the words for now, and say where it is.

    Raises:
        UsageError: The file cannot be written.
    """
    from envkit.layout.atomic import write_atomic

    created = datetime.now(tz=timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    reporter.start("export", path.name)
    written = ""
    try:
        write_atomic(path.absolute(), make(created))
        written = f"{path}, to open in a browser"
    except OSError as error:
        hint = "Give another file with --html."
        raise UsageError(f"{path} cannot be written: {error.strerror}", hint=hint) from error
    finally:
        reporter.finish("export", written)

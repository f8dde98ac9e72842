"""Reporters for people and for scripts; all of them write to stderr."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any, Literal

from envkit.errors import UsageError
from envkit.models.progress import Phase, Reporter, SilentReporter
from envkit.words.values import size_words

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["ProgressStyle", "clear_bar", "make_reporter"]

ProgressStyle = Literal["auto", "bars", "lines", "jsonl", "none"]

STYLES = ("auto", "bars", "lines", "jsonl", "none")

_TITLES: dict[Phase, str] = {
    "detect": "detect",
    "index": "index",
    "solve": "solve",
    "download": "download",
    "link": "link",
    "bytecode": "bytecode",
    "validate": "validate",
    "clean": "clean",
}


def make_reporter(style: str) -> Reporter:
    """The reporter for ``--progress``: bars on a terminal, a line for each phase elsewhere.

    Raises:
        UsageError: There is no such style.
    """
    if style not in STYLES:
        raise UsageError(f"--progress {style!r} is not known", hint=f"One of {', '.join(STYLES)}.")
    if style == "auto":
        style = "bars" if sys.stderr.isatty() else "lines"
    if style == "bars":
        return BarReporter()
    if style == "jsonl":
        return JsonReporter()
    return SilentReporter() if style == "none" else LineReporter()


_bars: list[BarReporter] = []


def clear_bar() -> None:
    """Take a bar that is still moving off the screen: whoever prints next begins on a line of its own."""
    for bar in _bars:
        bar.clear()


class LineReporter:
    """One line when a phase ends, and one when it begins if it can take long."""

    def __init__(self) -> None:
        self._began: dict[Phase, float] = {}

    def start(self, phase: Phase, text: str, *, total: int | None = None, unit: str = "") -> None:
        """Note the time."""
        self._began[phase] = time.monotonic()
        if phase == "download" and total and unit == "B":
            self._write(phase, f"{text}, {size_words(total)} ...")

    def advance(self, phase: Phase, amount: int, *, text: str | None = None) -> None:
        """Say nothing between."""

    def finish(self, phase: Phase, text: str) -> None:
        """Say what came of the phase and how long it took."""
        seconds = time.monotonic() - self._began.pop(phase, time.monotonic())
        self._write(phase, f"{text} ({seconds:.1f} s)")

    def note(self, text: str) -> None:
        """Say it."""
        sys.stderr.write(f"envkit: {text}\n")

    def _write(self, phase: Phase, text: str) -> None:
        sys.stderr.write(f"{_TITLES[phase]:>9}  {text}\n")
        sys.stderr.flush()


class JsonReporter:
    """One JSON object a line, for programs that show progress themselves; at most twenty a second within a phase."""

    def __init__(self) -> None:
        self._last = 0.0
        self._pending = 0

    def start(self, phase: Phase, text: str, *, total: int | None = None, unit: str = "") -> None:
        """Write the event."""
        self._pending = 0
        self._write(event="start", phase=phase, text=text, total=total, unit=unit)

    def advance(self, phase: Phase, amount: int, *, text: str | None = None) -> None:
        """Write the event, with what came since the last one."""
        self._pending += amount
        now = time.monotonic()
        if now - self._last > 0.05:
            self._write(event="advance", phase=phase, amount=self._pending, text=text)
            self._pending, self._last = 0, now

    def finish(self, phase: Phase, text: str) -> None:
        """Write the event."""
        if self._pending:
            self._write(event="advance", phase=phase, amount=self._pending, text=None)
            self._pending = 0
        self._write(event="finish", phase=phase, text=text)

    def note(self, text: str) -> None:
        """Write the event."""
        self._write(event="note", text=text)

    def _write(self, **event: Any) -> None:
        sys.stderr.write(json.dumps(event) + "\n")
        sys.stderr.flush()


class BarReporter:
    """Bars on a terminal, each replaced by one line when its phase is over."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True)
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._began = 0.0
        self._last = 0.0
        self._pending = 0
        _bars.append(self)

    def start(self, phase: Phase, text: str, *, total: int | None = None, unit: str = "") -> None:
        """Show the bar."""
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            MofNCompleteColumn,
            Progress,
            ProgressColumn,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
            TransferSpeedColumn,
        )

        self.clear()
        columns: list[ProgressColumn] = [SpinnerColumn(), TextColumn("{task.description}")]
        if total and unit == "B":
            columns += [BarColumn(), DownloadColumn(), TransferSpeedColumn()]
        elif total:
            columns += [BarColumn(), MofNCompleteColumn()]
        self._progress = Progress(*columns, TimeElapsedColumn(), console=self._console, transient=True)
        self._task = self._progress.add_task(f"{_TITLES[phase]:>9}  {text}", total=total or None)
        self._progress.start()
        self._began = time.monotonic()

    def advance(self, phase: Phase, amount: int, *, text: str | None = None) -> None:  # noqa: ARG002
        """Move the bar, at most twenty times a second."""
        self._pending += amount
        now = time.monotonic()
        if self._progress is not None and self._task is not None and now - self._last > 0.05:
            self._progress.advance(self._task, self._pending)
            self._pending, self._last = 0, now

    def finish(self, phase: Phase, text: str) -> None:
        """Replace the bar by a line."""
        self.clear()
        seconds = time.monotonic() - self._began
        self._console.print(f"[dim]{_TITLES[phase]:>9}[/dim]  {text} [dim]({seconds:.1f} s)[/dim]", highlight=False)

    def note(self, text: str) -> None:
        """Print it above the bar."""
        self._console.print(f"[yellow]envkit:[/yellow] {text}", highlight=False)

    def clear(self) -> None:
        """Take the bar off the screen, if there is one."""
        if self._progress is not None:
            self._progress.stop()
        self._progress, self._task, self._pending = None, None, 0

"""Reporters for people and for scripts; all of them write to stderr."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from envkit.errors import UsageError
from envkit.models.progress import Phase, Reporter
from envkit.printable import printable
from envkit.words.values import size_words

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


_STYLES = ("auto", "bars", "lines", "jsonl", "none", "verbose")


def make_reporter(style: str) -> Reporter:
    """Return the reporter for ``--progress``; by default, bars on a terminal and a line for each phase elsewhere."""
    if style not in _STYLES:
        raise UsageError(f"--progress {style!r} is not known", hint=f"One of {', '.join(_STYLES)}.")
    if style == "auto":
        draws = sys.stderr.isatty() and os.environ.get("TERM") not in {"dumb", "unknown"}
        style = "bars" if draws else "lines"
    if style == "bars":
        return _BarReporter()
    if style == "jsonl":
        return _JsonReporter()
    if style == "verbose":
        return _VerboseReporter()
    return Reporter() if style == "none" else _LineReporter()


_bars: list[_BarReporter] = []


def clear_bar() -> None:
    """Remove a bar from the screen, so that the next output starts on its own line."""
    for bar in _bars:
        bar.clear()


class _LineReporter(Reporter):
    """Writes a line when a phase ends, and one when a long download begins."""

    def __init__(self) -> None:
        self._began: dict[Phase, float] = {}

    def start(self, phase: Phase, text: str, *, total: int | None = None, unit: str = "") -> None:
        self._began[phase] = time.monotonic()
        if phase == "download" and total and unit == "B":
            self._write(phase, f"{text}, {size_words(total)} ...")

    def advance(self, phase: Phase, amount: int, *, text: str | None = None) -> None:
        pass

    def finish(self, phase: Phase, text: str) -> None:
        seconds = time.monotonic() - self._began.pop(phase, time.monotonic())
        if text:
            self._write(phase, f"{text} ({seconds:.1f} s)")

    def note(self, text: str) -> None:
        sys.stderr.write(f"envkit: {printable(text)}\n")

    def _write(self, phase: Phase, text: str) -> None:
        sys.stderr.write(f"{phase:>9}  {printable(text)}\n")
        sys.stderr.flush()


class _VerboseReporter(_LineReporter):
    """Writes the lines, and details between them."""

    def start(self, phase: Phase, text: str, *, total: int | None = None, unit: str = "") -> None:
        super().start(phase, text, total=total, unit=unit)
        if phase != "download":
            self._write(phase, f"{text} ...")

    def detail(self, text: str) -> None:
        sys.stderr.write(f"{'':>9}  {printable(text)}\n")


class _JsonReporter(Reporter):
    """Writes one JSON object a line, for programs that show progress; at most twenty a second within a phase."""

    def __init__(self) -> None:
        self._last = 0.0
        self._pending = 0

    def start(self, phase: Phase, text: str, *, total: int | None = None, unit: str = "") -> None:
        self._pending = 0
        self._write(event="start", phase=phase, text=text, total=total, unit=unit)

    def advance(self, phase: Phase, amount: int, *, text: str | None = None) -> None:
        self._pending += amount
        now = time.monotonic()
        if now - self._last > 0.05:
            self._write(event="advance", phase=phase, amount=self._pending, text=text)
            self._pending, self._last = 0, now

    def finish(self, phase: Phase, text: str) -> None:
        if self._pending:
            self._write(event="advance", phase=phase, amount=self._pending, text=None)
            self._pending = 0
        self._write(event="finish", phase=phase, text=text)

    def note(self, text: str) -> None:
        self._write(event="note", text=text)

    def _write(self, **event: Any) -> None:
        sys.stderr.write(json.dumps(event) + "\n")
        sys.stderr.flush()


class _BarReporter(Reporter):
    """Shows bars on a terminal, each replaced by one line when its phase is over."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._began: dict[Phase, float] = {}  # a phase may have others in it
        self._last = 0.0
        self._pending = 0
        _bars.append(self)

    def start(self, phase: Phase, text: str, *, total: int | None = None, unit: str = "") -> None:
        from rich import progress as rich_progress
        from rich.console import Console

        self.clear()
        columns: list[rich_progress.ProgressColumn | str] = [
            rich_progress.SpinnerColumn(),
            rich_progress.TextColumn("{task.description}", markup=False),
        ]
        if total:
            columns.append(rich_progress.BarColumn())
        if total and unit == "B":
            columns += [rich_progress.DownloadColumn(), rich_progress.TransferSpeedColumn()]
        elif total:
            columns.append(rich_progress.MofNCompleteColumn())
        columns.append(rich_progress.TimeElapsedColumn())
        self._progress = rich_progress.Progress(*columns, console=Console(stderr=True, highlight=False), transient=True)
        self._task = self._progress.add_task(f"{phase:>9}  {printable(text)}", total=total or None)
        self._progress.start()
        self._began[phase] = time.monotonic()

    def advance(self, phase: Phase, amount: int, *, text: str | None = None) -> None:  # noqa: ARG002
        self._pending += amount
        now = time.monotonic()
        if self._progress is not None and self._task is not None and now - self._last > 0.05:  # twenty times a second
            self._progress.advance(self._task, self._pending)
            self._pending, self._last = 0, now

    def finish(self, phase: Phase, text: str) -> None:
        from envkit.cli.output import console, mark

        self.clear()
        seconds = time.monotonic() - self._began.pop(phase, time.monotonic())
        if not text:
            return
        line = mark("[dim]{}[/dim]  {} [dim]({} s)[/dim]", f"{phase:>9}", text, f"{seconds:.1f}")
        console(stderr=True).print(line)

    def note(self, text: str) -> None:
        from envkit.cli.ink import as_text
        from envkit.cli.output import console, mark

        line = mark("[yellow]envkit:[/yellow] {}", text)
        if self._progress is None:
            console(stderr=True).print(line)
        else:  # above the bar
            from rich.text import Text

            self._progress.console.print(Text.assemble(*as_text(line).spans))

    def clear(self) -> None:
        if self._progress is not None:
            self._progress.stop()
        self._progress, self._task, self._pending = None, None, 0

"""Run the command line in a child process, for the API.

The child has its own process group: Ctrl-C in a terminal reaches this process only, which then ends the child. The
child also dies with this process (`envkit.lifeline`). No event loop, signal handler or thread is touched.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from envkit import errors
from envkit.process import run_child
from envkit.tuples import NamedTuple

ORIGIN = "ENVKIT_PYTHON"
"""Variable that names the Python with envkit, for a process that `Environment.activate` moved to another Python."""

_WITHIN = "ENVKIT_WITHIN"
"""Variable set for the child. A sitecustomize that uses the API runs there too, and would start children forever."""

_START = os.path.join(os.path.dirname(os.path.abspath(__file__)), "start.py")
_TAIL_CHARS = 2000
_GRACE_S = 5.0
_BY_CODE = {
    cls.code: cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, errors.EnvkitError)
}


class Event(NamedTuple):
    """A progress event; `str` gives a line for people.

    Attributes:
        event: ``start``, ``advance``, ``finish`` or ``note``.
        phase: ``index``, ``solve``, ``download``, ``link``, ``bytecode``, ``validate``; empty for a note.
        text: Description of the work or its result.
        amount: Progress since the last event, in `unit`.
        total: Amount of all work, if it is known.
        unit: ``B`` for bytes; empty for a count.
    """

    event: str
    phase: str = ""
    text: str = ""
    amount: int = 0
    total: int | None = None
    unit: str = ""

    def __str__(self) -> str:
        words = ": ".join(part for part in (self.phase, self.text) if part)
        return f"{words} ..." if self.event == "start" else words


def run_envkit(argv: Sequence[str], *, progress: Callable[[Event], object] | None = None) -> tuple[int, dict[str, Any]]:
    """Run a verb with ``--json --progress=jsonl`` and return its exit code and its document.

    Args:
        argv: The verb and its arguments; positional ones after ``--``.
        progress: Called in this thread with each event. An exception that it raises ends the child and propagates.

    Raises:
        EnvkitError: The child could not be started, or ended without a document.
    """
    verb, *rest = argv
    if os.environ.get(_WITHIN):
        raise errors.EnvkitError(
            "envkit is at work in a process above this one, which this call would wait for",
            hint="A sitecustomize that calls it may skip this where ENVKIT_WITHIN is set.",
        )
    style = "jsonl" if progress is not None else "none"
    flags = ["--json"] if verb == "detect" else ["--json", f"--progress={style}"]
    order = {"argv": [verb, *flags, *rest], "path": _import_path(), "parent": os.getpid()}
    lines = _Lines(progress)
    ended = run_child(
        [_interpreter(), "-I", _START, verb],
        env={**os.environ, _WITHIN: "1"},
        timeout_s=None,
        stdin=json.dumps(order).encode() + b"\n",
        on_stderr=lines.feed,
        grace_s=_GRACE_S,  # its handler of SIGTERM ends what it has started
    )
    if ended.error is not None:
        raise errors.EnvkitError(
            f"{_interpreter()} could not be started: {ended.error.strerror}",
            hint="It is the Python that envkit runs in.",
        ) from ended.error
    try:
        document = json.loads(ended.stdout)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        how = ended.ending or "ended with exit status 0"
        raise errors.EnvkitError(f"envkit {verb} {how} and gave no answer", hint=lines.tail.strip() or None)
    return ended.exit_code or 0, document


def error_of(document: Mapping[str, Any], exit_code: int) -> errors.EnvkitError | None:
    """Return the error in a document, as an instance of the class with its code; None if there is none."""
    said = document.get("error")
    if not isinstance(said, Mapping):
        return None
    cls = _BY_CODE.get(str(said.get("code")))
    if cls is None:  # a code of another version: go by the exit code
        cls = next((c for c in _BY_CODE.values() if c.exit_code == exit_code), errors.EnvkitError)
    return cls(str(said.get("message", "")), hint=said.get("hint"))


def _interpreter() -> str:
    python = os.environ.get(ORIGIN) or sys.executable
    if not python:
        raise errors.EnvkitError(
            "this Python is embedded in another program, so envkit cannot start it",
            hint=f"Name a Python that has envkit: set {ORIGIN}.",
        )
    return python


def _import_path() -> list[str]:
    """Return ``sys.path`` with absolute entries; inside an environment, only the folder that holds envkit."""
    own = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    if os.environ.get(ORIGIN):
        return [own]
    return [*(os.path.abspath(entry) for entry in sys.path), own]


class _Lines:
    """Reads the child's standard error: passes on events and keeps the last of the other lines."""

    def __init__(self, progress: Callable[[Event], object] | None) -> None:
        self.progress = progress
        self.tail = ""
        self._rest = b""

    def feed(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            event = _parse_event(line)
            if event is None:
                self.tail = (self.tail + line.decode("utf-8", "replace") + "\n")[-_TAIL_CHARS:]
            elif self.progress is not None:
                self.progress(event)


def _parse_event(line: bytes) -> Event | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    if not isinstance(value, dict) or "event" not in value:
        return None
    return Event(
        str(value["event"]),
        str(value.get("phase") or ""),
        str(value.get("text") or ""),
        int(value.get("amount") or 0),
        value.get("total"),
        str(value.get("unit") or ""),
    )

"""Outcomes of probes: scripts that another Python runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from envkit.models.fact import Blame
from envkit.tuples import NamedTuple
from envkit.values import dataclass, field

Level = Literal["driver", "framework", "collective"]
ProbeState = Literal["done", "crashed", "timed-out", "garbled", "foreign", "failed", "not-started"]


@dataclass(frozen=True, slots=True)
class TraceStep:
    """The step that a probe was about to take."""

    check: str  # the check it belongs to, such as ``init``
    call: str  # the call or action, such as ``cuInit``
    device: int | None = None  # ordinal of the device, or None

    def __str__(self) -> str:
        where = "" if self.device is None else f" on device {self.device}"
        return f"{self.call} ({self.check}{where})"


@dataclass(frozen=True, slots=True)
class ProbeOutcome:
    """The end of a probe, and its words.

    Attributes:
        state: ``done``: a document came and the exit status was 0. ``crashed``: a signal not sent from here.
            ``timed-out``: the whole process group was killed at the limit. ``garbled``: exit status 0 without a
            readable document, or too much output. ``foreign``: a document that is not the script's. ``failed``: another
            exit status. ``not-started``: no such program.
        command: The arguments it was started with; carries no secret.
        document: What it wrote, when it got that far; whatever the state, this was read whole.
        partial: The same facts as far as the trace told them: what is known of a probe that did not finish.
        exit_code: Its exit status, or None when a signal ended it or it was not started.
        signal: Name of the signal that ended it, such as ``SIGSEGV``.
        last_step: What it was about to do when it ended; None when it never began.
        stderr_tail: The end of what it wrote to standard error.
        reason: Why it is garbled or could not be started, in words.
        answered_by: Files that may have answered in place of the script, when the state is ``foreign``.
        elapsed_s: Seconds from start to end.
        reaped: False when the process outlived SIGKILL, as one does that waits inside the driver.
    """

    state: ProbeState
    command: tuple[str, ...]
    document: Mapping[str, object] | None = None
    partial: Mapping[str, object] = field(default_factory=dict)
    exit_code: int | None = None
    signal: str | None = None
    last_step: TraceStep | None = None
    stderr_tail: str = ""
    reason: str | None = None
    answered_by: tuple[str, ...] = ()
    elapsed_s: float = 0.0
    reaped: bool = True

    @property
    def facts(self) -> Mapping[str, object]:
        """The document, or what the trace knows of it."""
        return self.partial if self.document is None else self.document


class Shadow(NamedTuple):
    """A libcuda that hides the driver's."""

    path: str  # where it is
    kind: str  # ``stub``, ``compat`` or another
    through: str = ""  # the variable of the loader that leads to it; empty for one in the environment

    @property
    def blames(self) -> Blame:
        """Whose fault it is."""
        return "host" if self.through else "environment"


def mapping_of(value: object) -> Mapping[str, object]:
    """Return a member of what a probe said, which should be a mapping; an empty one if it is not."""
    return value if isinstance(value, Mapping) else {}


def list_of(value: object) -> list[object]:
    """Return a member of what a probe said, which should be a list; an empty one if it is not."""
    return list(value) if isinstance(value, list | tuple) else []

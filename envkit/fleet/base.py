"""The port of the fleet: a command for each node, and an answer from each within the deadline."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from envkit.models.fleet import AnswerState, Node, NodeAnswer
from envkit.process import ChildResult, run_child

OUTPUT_LIMIT = 16 << 20  # bytes that a node may answer
OUTPUT_TAIL = 8 << 10  # bytes of its standard error that are kept
_AT_ONCE = 128  # children; each is a thread here
_GRACE_S = 5.0

Commands = Mapping[str, Sequence[str]]
Heard = Callable[[NodeAnswer], object]


class Fleet(Protocol):
    """Runs commands on nodes; nothing of envkit schedules or connects."""

    name: str

    def nodes(self) -> tuple[Node, ...]:
        """Return the nodes that were asked for, or all.

        Raises:
            UsageError: There is no such node, or no scheduler.
            HostCannotRunError: The scheduler does not answer.
        """

    def ask(self, commands: Commands, *, deadline_s: float, heard: Heard) -> tuple[NodeAnswer, ...]:
        """Run a command on each node, once, all at the same time as far as there is room.

        Args:
            commands: The program and its arguments by node.
            deadline_s: Seconds for all of it. What has not ended then is ended, and is ``silent``, or ``queued`` if
                it was never started.
            heard: Called with each answer when it comes.

        Returns:
            An answer for each node, in the order of `commands`. Nothing that a node does raises.
        """


def ask_children(commands: Commands, *, deadline_s: float, heard: Heard) -> tuple[NodeAnswer, ...]:
    """Run a child process of this machine for each node; see `Fleet.ask`."""
    deadline = time.monotonic() + deadline_s

    def ask(item: tuple[str, Sequence[str]]) -> NodeAnswer:
        node, command = item
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            return NodeAnswer(node, "queued")
        return _answer(
            node,
            run_child(command, timeout_s=left_s, output_limit=OUTPUT_LIMIT, stderr_tail=OUTPUT_TAIL, grace_s=_GRACE_S),
        )

    answers = []
    with ThreadPoolExecutor(max_workers=min(_AT_ONCE, max(1, len(commands)))) as pool:
        for waiting in [pool.submit(ask, item) for item in commands.items()]:
            answers.append(waiting.result())
            heard(answers[-1])
    return tuple(answers)


def _answer(node: str, result: ChildResult) -> NodeAnswer:
    states: dict[str, AnswerState] = {"done": "ended", "failed": "ended", "timed-out": "silent"}
    state = states.get(result.state, "lost")
    said = last_words(result.error_text) or ("" if state == "silent" else result.ending)
    return NodeAnswer(node, state, result.exit_code, result.stdout, said[:300], result.elapsed_s)


def last_words(text: str) -> str:
    """Return the last line of a program's standard error that is about an error, else the last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next((line for line in reversed(lines) if "error" in line.lower()), lines[-1] if lines else "")

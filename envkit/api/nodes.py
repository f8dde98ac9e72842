"""Nodes: run envkit on each node of a fleet, and read what it answers."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import envkit
from envkit.checks.fleet import down, failed, judge_answer, lacks_envkit
from envkit.errors import SettingsError
from envkit.fleet.base import Fleet
from envkit.layout.launcher import own_script, volume_launcher
from envkit.layout.volume import Volume
from envkit.models.fleet import Node, NodeAnswer, NodeFinding
from envkit.models.progress import Reporter

_ABSENT = 127  # as shells say that there is no such program
# What starts a command on a node may say of a missing program whatever it likes: Slurm's exit status is 2.
_START = ("/bin/sh", "-c", f'test -x "$0" || exit {_ABSENT}; exec "$0" "$@"')
_NO_MODULE = "No module named envkit"


def envkit_words(volume: Volume | None) -> tuple[str, ...]:
    """Return the words that start this envkit on any node.

    The launcher of a volume, which all nodes have, if it is this version; else this very Python, which each node
    needs at the same path, as in a home that they share.
    """
    launcher = volume_launcher(volume, envkit.__version__) if volume is not None else None
    if launcher is not None:
        return (str(launcher),)
    script = own_script(Path(envkit.__file__))
    return (sys.executable, "-I", str(script)) if script is not None else (sys.executable, "-m", "envkit")


def ask_nodes(
    fleet: Fleet, words: Mapping[str, Sequence[str]], *, volume: Volume | None, deadline_s: float, reporter: Reporter
) -> tuple[NodeAnswer, ...]:
    """Run a command of envkit on each node of `words`, and tell how many have answered."""
    own = envkit_words(volume)
    reporter.start("nodes", f"asking {len(words)} nodes by {fleet.name}", total=len(words))

    def heard(answer: NodeAnswer) -> None:
        reporter.advance("nodes", 1, text=answer.node)

    commands = {node: (*_START, *own, *said) for node, said in words.items()}
    answers = fleet.ask(commands, deadline_s=deadline_s, heard=heard)
    ended = sum(answer.state == "ended" for answer in answers)
    reporter.finish("nodes", f"{ended} of {len(words)} nodes answered")
    return answers


def usable(nodes: Sequence[Node]) -> tuple[tuple[str, ...], list[NodeFinding]]:
    """Return the names of nodes that can be asked, and a finding on each of the others."""
    return tuple(node.name for node in nodes if node.usable), [down(node) for node in nodes if not node.usable]


def judge_node(answer: NodeAnswer, *, volume: Volume | None) -> NodeFinding | None:
    """Return the finding on a node whose command did not end well; None if it did."""
    absent = answer.exit_code == _ABSENT or (answer.exit_code == 1 and answer.said.endswith(_NO_MODULE))
    if answer.state == "ended" and absent and not answer.stdout:
        return lacks_envkit(answer.node, " ".join(envkit_words(volume)))
    return judge_answer(_told(answer))


def unreadable(answer: NodeAnswer) -> NodeFinding:
    """Return the finding on a node whose document is not one of this envkit."""
    return failed(_told(answer))


def _told(answer: NodeAnswer) -> NodeAnswer:
    """Return an answer with the message of its document where that is an error."""
    try:
        return answer._replace(said=str(read_document(answer)["error"]["message"])[:300])
    except (SettingsError, LookupError, TypeError):
        return answer


def read_document(answer: NodeAnswer) -> Any:
    """Return the JSON document of an answer.

    Raises:
        SettingsError: It is none.
    """
    try:
        return json.loads(answer.stdout)
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{answer.node}: its answer is not JSON") from error


def in_order(findings: Sequence[NodeFinding], nodes: Sequence[Node]) -> tuple[NodeFinding, ...]:
    """Return findings in the order of their nodes."""
    place = {node.name: index for index, node in enumerate(nodes)}
    return tuple(sorted(findings, key=lambda found: place[found.node]))

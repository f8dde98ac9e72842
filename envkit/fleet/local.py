"""The adapter for trying: each node is a child process of this machine."""

from __future__ import annotations

import platform
from collections.abc import Sequence

from envkit.errors import UsageError
from envkit.fleet.base import Commands, Heard, ask_children
from envkit.models.fleet import Node, NodeAnswer


class LocalFleet:
    """Child processes that stand for nodes; without names there is one, called as this machine."""

    name = "local"

    def __init__(self, names: Sequence[str] = ()) -> None:
        self._names = tuple(dict.fromkeys(names)) or (platform.node() or "localhost",)

    def nodes(self) -> tuple[Node, ...]:
        """See `Fleet.nodes`."""
        return tuple(map(Node, self._names))

    def ask(self, commands: Commands, *, deadline_s: float, heard: Heard) -> tuple[NodeAnswer, ...]:
        """See `Fleet.ask`."""
        return ask_children(commands, deadline_s=deadline_s, heard=heard)


def split_names(text: str) -> tuple[str, ...]:
    """Return the names of a list with commas.

    Raises:
        UsageError: One of them is empty.
    """
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise UsageError(f"--nodes {text!r}: a name is empty", hint="Give names with commas between: --nodes n1,n2.")
    return names

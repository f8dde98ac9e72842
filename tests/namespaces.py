"""Machines of a network of their own, each with an address: network namespaces on one bridge."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from envkit.fleet.base import Commands, Heard
from envkit.fleet.local import LocalFleet
from envkit.models.fleet import NodeAnswer


@dataclass
class Network:
    """Nodes by name, and the address of each."""

    addresses: dict[str, str]
    prefix: str
    variables: dict[str, Mapping[str, str]] = field(default_factory=dict)  # of what runs on a node

    def run(self, node: str, *words: str) -> None:
        """Run ``ip`` in a node."""
        _ip("-n", f"{self.prefix}{node}", *words)

    def inside(self, node: str, command: Sequence[str]) -> list[str]:
        """The words that run a command on a node."""
        variables = [f"{name}={value}" for name, value in self.variables.get(node, {}).items()]
        return ["ip", "netns", "exec", f"{self.prefix}{node}", "env", *variables, *command]


class NetworkFleet(LocalFleet):
    """Child processes, each in the network of its node."""

    def __init__(self, network: Network) -> None:
        super().__init__(tuple(network.addresses))
        self._network = network

    def ask(self, commands: Commands, *, deadline_s: float, heard: Heard) -> tuple[NodeAnswer, ...]:
        inside = {node: self._network.inside(node, command) for node, command in commands.items()}
        return super().ask(inside, deadline_s=deadline_s, heard=heard)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@contextlib.contextmanager
def network(*nodes: str) -> Iterator[Network]:
    """Make a network of nodes; skip the test where that cannot be."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and ip (iproute2)")
    prefix = f"t{secrets.token_hex(3)}"
    made = Network({node: f"10.77.0.{number}" for number, node in enumerate(nodes, 1)}, prefix)
    with contextlib.ExitStack() as undo:
        try:
            _ip("link", "add", prefix, "type", "bridge")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespaces here: {error.stderr.decode().strip()}")
        undo.callback(_ip, "link", "del", prefix)
        _ip("link", "set", prefix, "up")
        for node, address in made.addresses.items():
            _ip("netns", "add", f"{prefix}{node}")
            undo.callback(_ip, "netns", "del", f"{prefix}{node}")
            _ip("link", "add", f"{prefix}-{node}", "type", "veth", "peer", "name", "eth0", "netns", f"{prefix}{node}")
            _ip("link", "set", f"{prefix}-{node}", "master", prefix, "up")
            made.run(node, "addr", "add", f"{address}/24", "dev", "eth0")
            for device in ("eth0", "lo"):
                made.run(node, "link", "set", device, "up")
        yield made

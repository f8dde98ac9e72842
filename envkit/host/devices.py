"""Device nodes of this machine or container."""

from __future__ import annotations

from dataclasses import dataclass

from envkit.host.nodes import is_gpu_node, is_tegra_node, list_nodes
from envkit.host.tree import Tree

__all__ = ["Devices", "read_devices"]


@dataclass(frozen=True, slots=True)
class Devices:
    """NVIDIA nodes in /dev.

    Attributes:
        gpus: ``/dev/nvidia0`` and the like.
        control: Whether ``/dev/nvidiactl`` exists.
        uvm: Whether ``/dev/nvidia-uvm`` exists; without it cuInit returns 999.
        dxg: Whether ``/dev/dxg`` exists (WSL 2).
        tegra: Nodes of a Tegra GPU.
    """

    gpus: tuple[str, ...] = ()
    control: bool = False
    uvm: bool = False
    dxg: bool = False
    tegra: tuple[str, ...] = ()


def read_devices(tree: Tree) -> Devices:
    """List the NVIDIA nodes of this machine or container."""
    names = list_nodes(tree)
    gpus = sorted((name for name in names if is_gpu_node(name)), key=lambda name: (len(name), name))
    return Devices(
        gpus=tuple(f"/dev/{name}" for name in gpus),
        control="nvidiactl" in names,
        uvm="nvidia-uvm" in names,
        dxg="dxg" in names,
        tegra=tuple(f"/dev/{name}" for name in names if is_tegra_node(name)),
    )

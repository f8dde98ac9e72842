"""Device nodes and what the kernel driver lists under /proc."""

from __future__ import annotations

import re
from dataclasses import dataclass

from envkit.host.tree import Tree

__all__ = ["Devices", "parse_model", "read_devices"]

_GPU_NODE = re.compile(r"nvidia\d+\Z")
_TEGRA_NODES = ("nvgpu", "nvhost-gpu", "nvmap")


@dataclass(frozen=True, slots=True)
class Devices:
    """What lies in /dev and under /proc/driver/nvidia.

    Attributes:
        gpus: ``/dev/nvidia0`` and its like.
        control: Whether ``/dev/nvidiactl`` is there.
        uvm: Whether ``/dev/nvidia-uvm`` is there; without it cuInit answers 999.
        dxg: Whether ``/dev/dxg`` is there (WSL 2).
        tegra: Nodes of a Tegra GPU.
        capabilities: Nodes and folders that come and go with MIG instances.
        models: Names of the GPUs as the kernel driver lists them, sorted.
    """

    gpus: tuple[str, ...] = ()
    control: bool = False
    uvm: bool = False
    dxg: bool = False
    tegra: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    models: tuple[str, ...] = ()


def parse_model(text: str) -> str | None:
    """Read the ``Model:`` line of ``/proc/driver/nvidia/gpus/*/information``."""
    match = re.search(r"^Model:[ \t]*(\S.{0,120}?)[ \t]*$", text[:4096], re.MULTILINE)
    return match[1] if match else None


def read_devices(tree: Tree) -> Devices:
    """The NVIDIA nodes of this machine or container."""
    names = set(tree.names("/dev"))
    gpus = sorted((name for name in names if _GPU_NODE.match(name)), key=lambda name: int(name[6:]))
    capabilities = [f"/dev/nvidia-caps/{name}" for name in tree.names("/dev/nvidia-caps")]
    mig = "/proc/driver/nvidia/capabilities"
    for gpu in tree.names(mig):
        capabilities += [f"{mig}/{gpu}/mig/{name}" for name in tree.names(f"{mig}/{gpu}/mig")]
    listed = "/proc/driver/nvidia/gpus"
    models = (parse_model(tree.text(f"{listed}/{name}/information") or "") for name in tree.names(listed))
    return Devices(
        gpus=tuple(f"/dev/{name}" for name in gpus),
        control="nvidiactl" in names,
        uvm="nvidia-uvm" in names,
        dxg="dxg" in names,
        tegra=tuple(f"/dev/{name}" for name in _TEGRA_NODES if name in names),
        capabilities=tuple(capabilities),
        models=tuple(sorted(model or "?" for model in models)),
    )

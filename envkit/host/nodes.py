"""Names of NVIDIA's device nodes and GPUs in the kernel. Cheap to import: the fast path uses it."""

from __future__ import annotations

from envkit.host.tree import Tree

_TEGRA = frozenset({"nvgpu", "nvhost-gpu", "nvmap"})
_OTHERS = frozenset({"nvidiactl", "nvidia-uvm", "dxg"})
_GPUS = "/proc/driver/nvidia/gpus"
_MIG = "/proc/driver/nvidia/capabilities"


def list_nodes(tree: Tree) -> list[str]:
    """List the nodes of GPUs in /dev: ``nvidia0``, ``nvidiactl``, ``nvidia-uvm``, ``dxg`` (WSL 2), Tegra's."""
    return [name for name in tree.names("/dev") if name in _OTHERS or name in _TEGRA or is_gpu_node(name)]


def is_gpu_node(name: str) -> bool:
    """Return whether a node is of one GPU: ``nvidia0``."""
    number = name.removeprefix("nvidia")
    return number != name and number.isascii() and number.isdigit()


def is_tegra_node(name: str) -> bool:
    """Return whether a node is of a Tegra GPU."""
    return name in _TEGRA


def list_capabilities(tree: Tree) -> list[str]:
    """List the nodes and /proc folders that come and go with MIG instances."""
    found = [f"/dev/nvidia-caps/{name}" for name in tree.names("/dev/nvidia-caps")]
    for gpu in tree.names(_MIG):
        found += [f"{_MIG}/{gpu}/mig/{name}" for name in tree.names(f"{_MIG}/{gpu}/mig")]
    return found


def list_models(tree: Tree) -> list[str]:
    """List the models of the GPUs in the kernel driver, sorted; ``?`` for an unnamed one."""
    return sorted(parse_model(tree.text(f"{_GPUS}/{name}/information") or "") or "?" for name in tree.names(_GPUS))


def parse_model(text: str) -> str | None:
    """Parse the ``Model:`` line of ``/proc/driver/nvidia/gpus/*/information``."""
    for line in text[:4096].splitlines():
        if line.startswith("Model:"):
            return line.removeprefix("Model:").strip()[:120] or None
    return None

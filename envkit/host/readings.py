"""Read everything about the machine that files, variables and this process tell, without asking a driver."""

from __future__ import annotations

from collections.abc import Mapping

from envkit.host.container import read_container
from envkit.host.kernel import KernelModule, read_kernel_module
from envkit.host.machine import read_glibc, read_jetson, read_osx, read_subdir, read_toolkits, read_wsl
from envkit.host.nodes import is_gpu_node, list_nodes
from envkit.host.tree import Tree
from envkit.values import dataclass


@dataclass(frozen=True, slots=True)
class Readings:
    """Facts of `Host` paired with their source, NVIDIA's kernel module and nodes in /dev, toolkits by folder."""

    subdir: tuple[str, str]
    glibc: tuple[str | None, str]
    osx: tuple[str | None, str]
    wsl: tuple[bool, str]
    jetson: tuple[str | None, str]
    container: tuple[str | None, str]
    kernel: KernelModule | None
    nodes: tuple[str, ...]
    toolkits: Mapping[str, str]
    wsl_driver: bool

    @property
    def gpu_nodes(self) -> list[str]:
        """The nodes of single GPUs, by number."""
        return sorted(filter(is_gpu_node, self.nodes), key=lambda name: (len(name), name))


def read_machine(tree: Tree, env: Mapping[str, str]) -> Readings:
    """Read it all: a few dozen small files, about a millisecond."""
    return Readings(
        subdir=read_subdir(),
        glibc=read_glibc(),
        osx=read_osx(tree),
        wsl=read_wsl(tree),
        jetson=read_jetson(tree),
        container=read_container(tree, env),
        kernel=read_kernel_module(tree),
        nodes=tuple(list_nodes(tree)),
        toolkits=read_toolkits(tree, env),
        wsl_driver=tree.exists("/usr/lib/wsl/lib/libcuda.so.1"),
    )

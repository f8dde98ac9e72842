"""Read everything about the machine that files, variables and this process tell, without asking a driver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from envkit.host.container import read_container
from envkit.host.devices import Devices, read_devices
from envkit.host.jetson import read_jetson
from envkit.host.kernel import KernelModule, read_kernel_module
from envkit.host.machine import read_glibc, read_osx, read_subdir, read_wsl
from envkit.host.toolkits import read_toolkits
from envkit.host.tree import Tree

__all__ = ["Readings", "read_machine"]

_WSL_LIBRARIES = "/usr/lib/wsl/lib"


@dataclass(frozen=True, slots=True)
class Readings:
    """Facts, most of them paired with their source.

    Attributes:
        subdir: conda's name of the platform.
        glibc: Version of the C library.
        osx: Version of macOS.
        wsl: Whether this is WSL 2.
        jetson: L4T release.
        container: Kind of container.
        kernel: The NVIDIA module.
        devices: Device nodes.
        toolkits: Version of the toolkit in each folder.
        wsl_driver: Whether Windows provides an NVIDIA driver to WSL.
    """

    subdir: tuple[str, str]
    glibc: tuple[str | None, str] = (None, "not asked")
    osx: tuple[str | None, str] = (None, "not asked")
    wsl: tuple[bool, str] = (False, "not asked")
    jetson: tuple[str | None, str] = (None, "not asked")
    container: tuple[str | None, str] = (None, "not asked")
    kernel: KernelModule | None = None
    devices: Devices = field(default_factory=Devices)
    toolkits: Mapping[str, str] = field(default_factory=dict)
    wsl_driver: bool = False


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
        devices=read_devices(tree),
        toolkits=read_toolkits(tree, env),
        wsl_driver=tree.exists(f"{_WSL_LIBRARIES}/libcuda.so.1"),
    )

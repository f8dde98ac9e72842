"""All that files, variables and this process say about the machine: no driver is asked."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from envkit.host.container import read_container
from envkit.host.devices import Devices, read_devices
from envkit.host.jetson import read_jetson
from envkit.host.kernel import KernelModule, read_kernel_module
from envkit.host.machine import read_glibc, read_osx, read_subdir, read_wsl
from envkit.host.toolkits import read_toolkits
from envkit.host.tree import Tree, read_bounded

__all__ = ["Readings", "find_nvidia_smi", "read_machine"]

WSL_LIBRARIES = "/usr/lib/wsl/lib"
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_CPUINFO_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Readings:
    """Facts, most with what said so as the second of a pair.

    Attributes:
        subdir: conda's name of the platform.
        glibc: Version of the C library.
        osx: Version of macOS.
        wsl: Whether this is WSL 2.
        jetson: L4T release.
        container: Kind of container.
        kernel: The NVIDIA module.
        devices: Device nodes.
        toolkits: Folder to version.
        wsl_driver: Whether Windows hands an NVIDIA driver to WSL.
        boot_id: Changes with each boot; None where the system has none.
        processor: What the processor calls itself, and what it can do.
        libraries: Changes when the system's libraries do (size and time of ``/etc/ld.so.cache``).
    """

    subdir: tuple[str, str]
    glibc: tuple[str | None, str]
    osx: tuple[str | None, str]
    wsl: tuple[bool, str]
    jetson: tuple[str | None, str]
    container: tuple[str | None, str]
    kernel: KernelModule | None
    devices: Devices
    toolkits: Mapping[str, str]
    wsl_driver: bool
    boot_id: str | None
    processor: str
    libraries: str


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
        wsl_driver=tree.exists(f"{WSL_LIBRARIES}/libcuda.so.1"),
        boot_id=(tree.text(_BOOT_ID) or "").strip() or None,
        processor=_processor(tree),
        libraries=_libraries(tree),
    )


def find_nvidia_smi(tree: Tree, env: Mapping[str, str]) -> str | None:
    """The command, by PATH or where WSL has it."""
    name = "nvidia-smi.exe" if sys.platform == "win32" else "nvidia-smi"
    folders = [folder for folder in env.get("PATH", os.defpath).split(os.pathsep) if os.path.isabs(folder)]  # noqa: PTH117
    for folder in (*folders, tree.path(WSL_LIBRARIES)):
        path = os.path.join(folder, name)  # noqa: PTH118 - on the fast path
        if os.access(path, os.X_OK):
            return path
    return None


def _processor(tree: Tree) -> str:
    # The first lines describe the first processor; all of the file would take milliseconds on a large machine.
    text = (read_bounded(tree.path("/proc/cpuinfo"), limit_bytes=_CPUINFO_BYTES) or b"").decode("utf-8", "replace")
    wanted = ("model name", "flags", "CPU implementer", "CPU part", "Features")
    first = text.split("\n\n", 1)[0]
    return "\n".join(line for line in first.splitlines() if line.startswith(wanted))


def _libraries(tree: Tree) -> str:
    try:
        found = os.stat(tree.path("/etc/ld.so.cache"))  # noqa: PTH116 - on the fast path
    except OSError:
        return ""
    return f"{found.st_size} {found.st_mtime_ns}"

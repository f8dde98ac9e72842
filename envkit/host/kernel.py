"""Read the NVIDIA module of the running kernel.

Containers and ``docker build`` see /proc and /sys of the host: a loaded module is not a usable GPU.
"""

from __future__ import annotations

import re

from envkit.host.tree import Tree
from envkit.models.version import DriverVersion
from envkit.values import dataclass

PROC = "/proc/driver/nvidia/version"
SYS = "/sys/module/nvidia"


@dataclass(frozen=True, slots=True)
class KernelModule:
    """The loaded module: its version if it tells it, the file read, and a disagreement, in words."""

    version: DriverVersion | None
    source: str
    note: str | None = None


def parse_proc_version(text: str) -> tuple[DriverVersion, bool] | None:
    """Parse ``/proc/driver/nvidia/version`` into the version, and whether the module is the open one.

    The version is the second of the fields that two spaces separate, in all three forms: ``NVIDIA UNIX x86_64
    Kernel Module  535.216.03  Thu ...``, ``NVIDIA UNIX Open Kernel Module for x86_64  570.195.03  Release Build ...``
    and, on L4T, ``NVIDIA UNIX Kernel Module for aarch64  34.1.1  Release Build ...``. None for anything else.
    """
    for line in text[:4096].splitlines():
        if not line.startswith("NVRM version:"):
            continue
        fields = re.split(r" {2,}|\t+", line.removeprefix("NVRM version:").strip())
        if len(fields) > 1 and (version := parse_sys_version(fields[1])):
            return version, "Open Kernel Module" in fields[0]
    return None


def parse_sys_version(text: str) -> DriverVersion | None:
    """Parse ``/sys/module/nvidia/version`` (``550.144.03``); None for anything else."""
    text = text[:64].strip()
    if "." not in text or not text.isascii():
        return None
    try:
        return DriverVersion.parse(text)
    except ValueError:
        return None


def read_kernel_module(tree: Tree) -> KernelModule | None:
    """Return the loaded NVIDIA module, or None."""
    proc_text = tree.text(PROC)
    proc = parse_proc_version(proc_text or "")
    from_sys = parse_sys_version(tree.text(f"{SYS}/version") or "")
    if proc:
        note = None
        if from_sys and from_sys != proc[0]:
            note = f"{PROC} says {proc[0]}, {SYS}/version says {from_sys}"
        return KernelModule(proc[0], PROC, note)
    unread = f"{PROC} is there and cannot be understood" if proc_text is not None else None
    if from_sys:
        return KernelModule(from_sys, f"{SYS}/version", unread)
    if proc_text is not None:
        return KernelModule(None, PROC, unread)
    if tree.exists(SYS):
        return KernelModule(None, SYS, f"{SYS} is there and gives no version")
    return None

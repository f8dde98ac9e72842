"""Find ``nvidia-smi``. Cheap to import: the fast path uses it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from envkit.host.tree import Tree

__all__ = ["find_nvidia_smi"]

_WSL = "/usr/lib/wsl/lib"


def find_nvidia_smi(tree: Tree, env: Mapping[str, str]) -> str | None:
    """Return the command on PATH (relative entries are ignored), else in its place under WSL."""
    name = "nvidia-smi.exe" if sys.platform == "win32" else "nvidia-smi"
    folders = [folder for folder in env.get("PATH", os.defpath).split(os.pathsep) if os.path.isabs(folder)]
    for folder in (*folders, tree.path(_WSL)):
        path = os.path.join(folder, name)
        if os.access(path, os.X_OK):
            return path
    return None

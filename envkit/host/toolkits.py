"""Find CUDA toolkits installed on disk. They tell nothing about the driver."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from envkit.host.tree import Tree

__all__ = ["parse_version_json", "parse_version_txt", "read_toolkits"]


def parse_version_json(text: str) -> str | None:
    """Return the version in a ``version.json`` (CUDA 11.1 and newer): ``cuda.version``."""
    try:
        value = json.loads(text)["cuda"]["version"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return value if isinstance(value, str) and re.fullmatch(r"[0-9]+(\.[0-9]+){1,3}", value) else None


def parse_version_txt(text: str) -> str | None:
    """Return the version in a ``version.txt`` (CUDA 11.0 and older): ``CUDA Version 10.2.89``."""
    match = re.match(r"CUDA Version ([0-9]{1,4}(?:\.[0-9]{1,4}){1,3})\s", text + "\n")
    return match[1] if match else None


def read_toolkits(tree: Tree, env: Mapping[str, str]) -> dict[str, str]:
    """Return the version by folder, for ``/usr/local/cuda*``, ``/opt/cuda*`` and CUDA_HOME; links count once."""
    folders = [
        f"{parent}/{name}"
        for parent in ("/usr/local", "/opt")
        for name in tree.names(parent)
        if re.match(r"cuda(-[0-9.]+)?\Z", name)
    ]
    folders += [value for name in ("CUDA_HOME", "CUDA_PATH") if (value := env.get(name, "")).startswith("/")]
    found: dict[str, str] = {}
    for folder in folders:
        version = parse_version_json(tree.text(f"{folder}/version.json") or "")
        version = version or parse_version_txt(tree.text(f"{folder}/version.txt") or "")
        if version:
            found[tree.resolve(folder)] = version
    return found

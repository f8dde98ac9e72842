"""Which Python a set of packages has, and which of their modules get bytecode.

Tests inside packages are left out: they are a fifth of all modules, and few users run them.

Sources that linking rewrites (with the prefix in them, as ``_sysconfigdata``) are left out too: in the next generation
they have the same size and time but another prefix, so the interpreter would accept stale bytecode.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from envkit.layout.private import read_file
from envkit.models.build import Record
from envkit.tuples import NamedTuple


class Module(NamedTuple):
    """A module of a package in the cache.

    Attributes:
        source: Its path in the package.
        path: Its path in a prefix.
        shipped: Whether the package may bring its bytecode.
        size_bytes: Its size, as the package tells.
    """

    source: str
    path: str
    shipped: bool
    size_bytes: int


def python_of(records: Sequence[Record]) -> Record | None:
    """Return the Python among packages."""
    return next((record for record in records if record.name == "python"), None)


def python_tag(records: Sequence[Record]) -> str | None:
    """Return the part of bytecode's key that is not the source: the release series, whose magic number is final."""
    python = python_of(records)
    if python is None:
        return None
    parts = python.version.split(".")
    series = "".join(parts[:2]) if all(part.isdigit() for part in parts) else python.version
    kind = "pypy" if "pypy" in python.build else "cpython"
    return f"{kind}-{series}{'t' if python.build.endswith('t') and '_cp' in python.build else ''}"


def is_module(path: str) -> bool:
    """Return whether the file at a path in a prefix gets bytecode."""
    return (
        path.endswith(".py")
        and ("site-packages" in path or path.startswith(("lib/python3", "lib/pypy3")))
        and "/tests/" not in path
    )


def linked_modules(prefix: Path, record: Record) -> list[str]:
    """List the modules of a package that is linked into a prefix."""
    meta = prefix / "conda-meta" / f"{record.name}-{record.version}-{record.build}.json"
    content = json.loads(meta.read_bytes())
    entries = content.get("paths_data", {}).get("paths", ())
    rewritten = {entry["_path"] for entry in entries if entry.get("prefix_placeholder")}
    return [name for name in content.get("files", []) if is_module(name) and name not in rewritten]


def cached_modules(package: Path, record: Record, python: Record) -> list[Module]:
    """List the modules of an extracted package as they will be linked.

    Raises:
        OSError: It has no list of its files.
        ValueError: The list cannot be read.
    """
    try:
        entries = json.loads(read_file(package / "info" / "paths.json"))["paths"]
        files = {str(e["_path"]): e for e in entries if e.get("path_type") != "directory"}
    except (AttributeError, LookupError, TypeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    site = site_packages(python) if record.raw.get("noarch") == "python" else None
    shipping = {_folder(_folder(name)) for name in files if name.endswith(".pyc")}
    found = []
    for name, entry in files.items():
        path = site + name[len("site-packages") :] if site and name.startswith("site-packages/") else name
        if is_module(path) and not entry.get("prefix_placeholder") and ".." not in path.split("/"):
            size = entry.get("size_in_bytes")
            shipped = _folder(name) in shipping
            found.append(Module(name, path, shipped, size if isinstance(size, int) else 0))
    return found


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def site_packages(python: Record) -> str:
    """Return where noarch packages are linked: what Python's record tells (CEP 17), else its usual place."""
    told = python.raw.get("python_site_packages_path")
    series = ".".join(python.version.split(".")[:2])
    return told if isinstance(told, str) and told else f"lib/python{series}/site-packages"

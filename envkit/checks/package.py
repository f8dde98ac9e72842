"""What an extracted package may write, decided before anything of it is linked."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["check_entry_points", "check_link_target", "check_paths"]

_SHOWN = 200


def check_paths(paths: Any, present: Mapping[str, bool]) -> list[str]:  # noqa: ANN401 - untrusted JSON
    """What is wrong with the content of ``info/paths.json`` (CEP 34), in words; empty when nothing is.

    py-rattler, micromamba and conda write ``../`` entries outside the prefix, so this stands before each of them.

    Args:
        paths: The parsed ``paths`` list.
        present: Files and links of the extracted package, by path; True for a symbolic link.
    """
    if not isinstance(paths, list):
        return ["paths.json has no list of paths"]
    wrong: list[str] = []
    seen: set[str] = set()
    for entry in paths:
        name = entry.get("_path") if isinstance(entry, dict) else None
        if not isinstance(name, str):
            wrong.append("an entry of paths.json has no path")
            continue
        fault = _fault(name)
        if fault is None and name in seen:
            fault = "is listed twice"
        seen.add(name)
        if fault is None and entry.get("path_type", "hardlink") != "directory":
            if name not in present:
                fault = "is not in the archive"
            elif present[name] != (entry.get("path_type") == "softlink"):
                fault = "is not of the type that paths.json says"
        if fault is not None:
            wrong.append(f"{name[:_SHOWN]!r} {fault}")
    return wrong


def _fault(name: str) -> str | None:
    parts = name.split("/")
    if not name or "\0" in name or "\\" in name or any(ord(c) < ord(" ") for c in name):
        return "is not a path"
    if name.startswith("/") or (len(name) > 1 and name[1] == ":"):
        return "is an absolute path"
    if ".." in parts:
        return "leads out of the prefix"
    if parts[0].lower() == "conda-meta" or name == ".envkit.json":
        return "would change the records of the environment"
    if "" in parts or "." in parts:
        return "is not a plain path"
    return None


def check_link_target(name: str, target: str) -> str | None:
    """What is wrong with the symbolic link `name` -> `target`: it must stay inside the prefix."""
    if target.startswith("/"):
        return f"{name!r} links to the absolute path {target[:_SHOWN]!r}"
    end = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
    if end == ".." or end.startswith("../"):
        return f"{name!r} links out of the prefix, to {target[:_SHOWN]!r}"
    return None


def check_entry_points(link: Any) -> list[str]:  # noqa: ANN401 - untrusted JSON
    """What is wrong with the entry points of ``info/link.json``: each command is one plain file name."""
    noarch = link.get("noarch") if isinstance(link, dict) else None
    points: Iterable[Any] = (noarch or {}).get("entry_points") or () if isinstance(noarch, dict) else ()
    wrong = []
    for point in points:
        command = str(point).split("=", 1)[0].strip()
        if not command or "/" in command or "\\" in command or command in {".", ".."} or "\0" in command:
            wrong.append(f"the entry point {str(point)[:_SHOWN]!r} is not a plain command")
    return wrong

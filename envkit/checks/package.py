"""Check the names of a record and the paths of a package before anything of it is on the disk."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

from envkit.activation import HOOK
from envkit.models.build import Record
from envkit.paths import MANIFEST
from envkit.patterns import regex

_SHOWN = 200
_LONGEST = 240  # file systems take 255 bytes, and a suffix comes after it
_WORD = regex(r"[A-Za-z0-9._+!~-]+\Z")
_DIGESTS = {"sha256": regex(r"[0-9a-fA-F]{64}\Z"), "md5": regex(r"[0-9a-fA-F]{32}\Z")}
_HOOK = f"etc/conda/activate.d/{HOOK}."
_FOLDERS = ("etc", "etc/conda", "etc/conda/activate.d", "etc/conda/deactivate.d")


def check_record(record: Record) -> str | None:
    """Return the fault of a record whose fields become names of files; None when it has none.

    Whoever writes an index (or a manifest, or an @EXPLICIT file) writes these fields. A package's directory, its
    archive and its file in ``conda-meta`` are named by them, and the native installer reads them from `Record.raw`.
    """
    for field in ("name", "version", "build", "fn", "subdir"):
        value = getattr(record, field)
        if field == "subdir" and not value:
            continue  # a record of a package that lies in no channel
        if not _WORD.match(value) or value in {".", ".."}:
            return f"{field} {value[:_SHOWN]!r} is not one plain word"
        told = record.raw.get(field, value)
        if not isinstance(told, str) or (told.lower() if field == "name" else told) != value:
            return f"{field} {value[:_SHOWN]!r} is also given as {str(told)[:_SHOWN]!r}"
    if len(f"{record.name}-{record.version}-{record.build}") > _LONGEST or len(record.fn) > _LONGEST:
        return "it has a name that is too long for a file"
    for kind, pattern in _DIGESTS.items():
        digest = record.sha256 if kind == "sha256" else record.raw.get(kind)
        if digest and not (isinstance(digest, str) and pattern.match(digest)):
            return f"{kind} {str(digest)[:_SHOWN]!r} is none"
    site = record.raw.get("python_site_packages_path")  # CEP 17: where all noarch Python packages are linked
    if site is not None and (not isinstance(site, str) or _fault(site) is not None):
        return f"python_site_packages_path {str(site)[:_SHOWN]!r} is not a path in the prefix"
    return None


def check_paths(paths: Any, present: Mapping[str, bool]) -> list[str]:
    """List the faults of the content of ``info/paths.json`` (CEP 34).

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
            if name in _FOLDERS:
                fault = "stands where the environment needs a directory"
            elif name not in present:
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
    if parts[0].lower() == "conda-meta" or name == MANIFEST:
        return "would change the records of the environment"
    if name.lower().startswith(_HOOK):
        return "would change the records of the environment: envkit writes its own hook there"
    if "" in parts or "." in parts:
        return "is not a plain path"
    return None


def check_link_target(name: str, target: str) -> str | None:
    """Return the fault of the symbolic link `name` -> `target`: it must stay inside the prefix.

    A target goes up first and down then. One that goes up again (``a/../b``) leads elsewhere than its text where ``a``
    is a link itself, so that a chain of links could leave the prefix.
    """
    if target.startswith("/"):
        return f"{name!r} links to the absolute path {target[:_SHOWN]!r}"
    parts = [part for part in target.split("/") if part not in {"", "."}]
    if ".." in parts[next((n for n, part in enumerate(parts) if part != ".."), len(parts)) :]:
        return f"{name!r} links down and up again, to {target[:_SHOWN]!r}"
    end = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
    if end == ".." or end.startswith("../"):
        return f"{name!r} links out of the prefix, to {target[:_SHOWN]!r}"
    return None


def check_entry_points(link: Any) -> list[str]:
    """List the faults of the entry points of ``info/link.json``: each command is one plain file name."""
    noarch = link.get("noarch") if isinstance(link, dict) else None
    points = (noarch.get("entry_points") or []) if isinstance(noarch, dict) else []
    if not isinstance(points, list):
        return [f"link.json has no list of entry points: {str(points)[:_SHOWN]!r}"]
    wrong = []
    for point in points:
        command = str(point).split("=", 1)[0].strip()
        if not command or "/" in command or "\\" in command or command in {".", ".."} or "\0" in command:
            wrong.append(f"the entry point {str(point)[:_SHOWN]!r} is not a plain command")
    return wrong

"""Health: what an environment's files and records say about it, without running anything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from envkit.models.report import Finding

__all__ = ["InstalledPackage", "installed_packages"]


@dataclass(frozen=True, slots=True)
class InstalledPackage:
    """What ``conda-meta`` says of one package."""

    name: str
    version: str
    build: str
    depends: tuple[str, ...]
    archive_bytes: int | None
    paths: tuple[tuple[str, int | None, bool], ...]  # path in the prefix, size in bytes if fixed, whether a link
    record: str = ""  # the file in conda-meta
    linked_at: float = 0.0  # its mtime: the package's files are not newer
    hashes: Mapping[str, str] = field(default_factory=dict)  # path to sha256 of the file as it is in the prefix
    texts: tuple[tuple[str, str], ...] = ()  # text files that hold the prefix, and what stood in its place


def installed_packages(prefix: Path) -> tuple[list[InstalledPackage], list[Finding]]:
    """The packages of a conda environment (CEP 32), and a finding for each record that cannot be read."""
    packages: list[InstalledPackage] = []
    findings: list[Finding] = []
    for path in sorted((prefix / "conda-meta").glob("*.json")):
        try:
            raw = json.loads(path.read_bytes())
            entries = raw.get("paths_data", {}).get("paths") or [{"_path": name} for name in raw.get("files", [])]
            packages.append(
                InstalledPackage(
                    name=str(raw["name"]),
                    version=str(raw["version"]),
                    build=str(raw.get("build", "")),
                    depends=tuple(map(str, raw.get("depends", ()))),
                    archive_bytes=size if isinstance(size := raw.get("size"), int) else None,
                    paths=tuple((str(e["_path"]), _fixed_size(e), e.get("path_type") == "softlink") for e in entries),
                    record=path.name,
                    linked_at=path.stat().st_mtime,
                    hashes={str(e["_path"]): digest for e in entries if (digest := _placed_hash(e))},
                    texts=tuple(
                        (str(e["_path"]), str(e["prefix_placeholder"]))
                        for e in entries
                        if e.get("prefix_placeholder") and e.get("file_mode") != "binary"
                    ),
                )
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            findings.append(
                Finding(
                    check="records",
                    status="fail",
                    code="bad-record",
                    text=f"conda-meta/{path.name} cannot be read: {type(error).__name__}: {error}",
                    blames="environment",
                    hint="Make the environment again.",
                )
            )
    return packages, findings


def _fixed_size(entry: dict[str, object]) -> int | None:
    """The size that the file must have; None where linking changes it (a prefix in a text file)."""
    size = entry.get("size_in_bytes")
    if not isinstance(size, int) or (entry.get("prefix_placeholder") and entry.get("file_mode") != "binary"):
        return None
    return size if entry.get("path_type", "hardlink") == "hardlink" else None


def _placed_hash(entry: dict[str, object]) -> str | None:
    """The sha256 of the file in the prefix; None for links, and where linking changed it and nobody kept the result."""
    if entry.get("path_type") == "softlink":
        return None
    if entry.get("prefix_placeholder"):
        return str(entry["sha256_in_prefix"]) if entry.get("sha256_in_prefix") else None
    digest = entry.get("sha256_in_prefix") or entry.get("sha256")
    return str(digest) if digest else None

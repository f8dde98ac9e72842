"""Records: the packages of a conda environment, as ``conda-meta`` lists them."""

from __future__ import annotations

from pathlib import Path

from envkit.models.installed import BadRecord, InstalledPackage
from envkit.plain import read_json


def installed_packages(prefix: Path) -> tuple[list[InstalledPackage], list[BadRecord]]:
    """Read the packages of a conda environment (CEP 32), and list the records that cannot be read."""
    packages: list[InstalledPackage] = []
    bad: list[BadRecord] = []
    for path in sorted((prefix / "conda-meta").glob("*.json")):
        try:
            raw = read_json(path)
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
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            bad.append(BadRecord(path.name, f"{type(error).__name__}: {error}"))
    return packages, bad


def _fixed_size(entry: dict[str, object]) -> int | None:
    """Return the size that the file must have; None if linking changes it (a prefix in a text file)."""
    size = entry.get("size_in_bytes")
    if not isinstance(size, int) or (entry.get("prefix_placeholder") and entry.get("file_mode") != "binary"):
        return None
    return size if entry.get("path_type", "hardlink") == "hardlink" else None


def _placed_hash(entry: dict[str, object]) -> str | None:
    """Return the sha256 of the file in the prefix; None for links, or if linking changed it and kept no digest."""
    if entry.get("path_type") == "softlink":
        return None
    if entry.get("prefix_placeholder"):
        return str(entry["sha256_in_prefix"]) if entry.get("sha256_in_prefix") else None
    digest = entry.get("sha256_in_prefix") or entry.get("sha256")
    return str(digest) if digest else None

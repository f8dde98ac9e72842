"""Small conda channels written by the tests: real archives, real indexes, any content, honest or hostile."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zstandard

SUBDIR = "linux-64"


@dataclass(frozen=True)
class Package:
    """One package to write: `files` maps paths in the prefix to their bytes (a str target makes a symlink)."""

    name: str
    version: str = "1.0"
    build: str = "0"
    depends: Sequence[str] = ()
    constrains: Sequence[str] = ()
    files: Mapping[str, bytes | str] = field(default_factory=dict)
    noarch: str | None = None
    timestamp: int = 1_700_000_000_000
    paths: Sequence[Mapping[str, Any]] | None = None
    link: Mapping[str, Any] | None = None
    record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def stem(self) -> str:
        return f"{self.name}-{self.version}-{self.build}"

    @property
    def subdir(self) -> str:
        return "noarch" if self.noarch else SUBDIR


def _tar(entries: Mapping[str, bytes | str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in sorted(entries.items()):
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                tar.addfile(info)
            else:
                info.size = len(content)
                info.mode = 0o755 if name.startswith("bin/") else 0o644
                tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def archive(package: Package) -> tuple[bytes, dict[str, Any]]:
    """The bytes of the .conda file (CEP 35) and its record for the index (CEP 36)."""
    paths = package.paths
    if paths is None:
        paths = [
            {
                "_path": path,
                "path_type": "softlink" if isinstance(content, str) else "hardlink",
                "sha256": hashlib.sha256(b"" if isinstance(content, str) else content).hexdigest(),
                "size_in_bytes": 0 if isinstance(content, str) else len(content),
            }
            for path, content in sorted(package.files.items())
        ]
    index = {
        "name": package.name,
        "version": package.version,
        "build": package.build,
        "build_number": 0,
        "depends": list(package.depends),
        "constrains": list(package.constrains),
        "subdir": package.subdir,
        "timestamp": package.timestamp,
        **({"noarch": package.noarch} if package.noarch else {}),
        **package.record,
    }
    info: dict[str, bytes | str] = {
        "info/index.json": json.dumps(index).encode(),
        "info/paths.json": json.dumps({"paths": paths, "paths_version": 1}).encode(),
        "info/files": "\n".join(sorted(package.files)).encode(),
        "info/about.json": b"{}",
    }
    if package.link is not None:
        info["info/link.json"] = json.dumps(package.link).encode()
    compress = zstandard.ZstdCompressor().compress
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as container:  # ZipInfo: the same bytes at any time
        container.writestr(zipfile.ZipInfo("metadata.json"), json.dumps({"conda_pkg_format_version": 2}))
        container.writestr(zipfile.ZipInfo(f"pkg-{package.stem}.tar.zst"), compress(_tar(dict(package.files))))
        container.writestr(zipfile.ZipInfo(f"info-{package.stem}.tar.zst"), compress(_tar(info)))
    data = buffer.getvalue()
    record = {
        **index,
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "md5": hashlib.md5(data).hexdigest(),  # noqa: S324 - the index format has both
    }
    return data, record


def write_channel(root: Path, packages: Sequence[Package]) -> Path:
    """Write the archives and ``repodata.json`` of a channel below `root`."""
    records: dict[str, dict[str, Any]] = {SUBDIR: {}, "noarch": {}}
    for package in packages:
        data, record = archive(package)
        folder = root / package.subdir
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{package.stem}.conda").write_bytes(data)
        records[package.subdir][f"{package.stem}.conda"] = record
    write_index(root, records)
    return root


def write_index(root: Path, records: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    """Write ``repodata.json`` for each subdir from records by file name."""
    for subdir, by_name in records.items():
        folder = root / subdir
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "repodata.json").write_text(
            json.dumps(
                {
                    "info": {"subdir": subdir},
                    "packages": {},
                    "packages.conda": by_name,
                    "removed": [],
                    "repodata_version": 1,
                }
            )
        )

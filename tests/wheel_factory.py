"""Wheels written by hand: small, of every kind, and the same bytes each time."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path


def write_wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    *,
    tag: str = "py3-none-any",
    files: Mapping[str, str] | None = None,
    data: Mapping[str, str] | None = None,
    requires: Sequence[str] = (),
    metadata: Sequence[str] = (),
    entry_points: str = "",
    unpacked: bool = True,
) -> Path:
    """Write a wheel; `data` goes below NAME-VERSION.data, `files` beside the dist-info folder.

    With `unpacked`, it holds what only an installer writes, as some wheels do.
    """
    distribution = f"{name.replace('-', '_')}-{version}"
    info = f"{distribution}.dist-info"
    headers = ["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}", *metadata]
    headers += [f"Requires-Dist: {line}" for line in requires]
    members = {
        **(files or {}),
        **{f"{distribution}.data/{path}": text for path, text in (data or {}).items()},
        f"{info}/METADATA": "\n".join(headers) + "\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    if unpacked:
        members |= {f"{info}/REQUESTED": "", f"{info}/INSTALLER": "pip\n"}
    if entry_points:
        members[f"{info}/entry_points.txt"] = entry_points
    record = [f"{path},sha256={_digest(text)},{len(text.encode())}" for path, text in members.items()]
    members[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,"]) + "\n"
    wheel = folder / f"{distribution}-{tag}.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in members.items():
            archive.writestr(zipfile.ZipInfo(path, (2024, 5, 6, 7, 8, 10)), text)
    return wheel


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")

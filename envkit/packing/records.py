"""Write anew what a prefix says of its own files, once it lies at another path."""

from __future__ import annotations

import base64
import csv
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path

from envkit.layout.atomic import write_atomic
from envkit.plain import read_json, read_plain

Changed = Mapping[str, tuple[str, int]]
"""Digest and size of files by path."""


def mend_records(folder: Path, changed: Changed) -> None:
    """Put the digests of changed files into ``conda-meta`` and into the RECORD of each distribution of pip."""
    owned: set[str] = set()
    for path in sorted((folder / "conda-meta").glob("*.json")):
        record = read_json(path)
        differs = False
        for entry in record.get("paths_data", {}).get("paths", ()):
            name = str(entry.get("_path"))
            if name.endswith("/RECORD"):
                owned.add(name)
            if name in changed:
                digest, size = changed[name]
                if entry.get("prefix_placeholder"):
                    entry["sha256_in_prefix"] = digest  # the others describe the file of the package
                else:
                    entry["sha256"], entry["size_in_bytes"] = digest, size
                differs = True
        if differs:
            _replace(path, json.dumps(record, indent=2, ensure_ascii=False) + "\n")
    for path in sorted(folder.glob("lib/python3*/site-packages/*.dist-info/RECORD")):
        if str(path.relative_to(folder)) not in owned:
            _mend_distribution(folder, path, changed)


def _mend_distribution(folder: Path, path: Path, changed: Changed) -> None:
    rows = list(csv.reader(read_plain(path).decode("utf-8", "surrogateescape").splitlines()))
    site = os.path.relpath(path.parent.parent, folder)
    differs = False
    for row in rows:
        name = os.path.normpath(f"{site}/{row[0]}") if len(row) == 3 and row[1] else ""
        if name in changed:
            digest, size = changed[name]
            encoded = base64.urlsafe_b64encode(bytes.fromhex(digest)).decode().rstrip("=")
            row[1:] = [f"sha256={encoded}", str(size)]
            differs = True
    if differs:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        _replace(path, text.getvalue())


def _replace(path: Path, text: str) -> None:
    write_atomic(path, text, mode=path.stat().st_mode & 0o777 | 0o200, durable=False)

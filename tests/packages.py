"""Packages for tests of what travels: prefixes in text and in binaries, a link, a program, a large file."""

from __future__ import annotations

import hashlib
from typing import Any

from channels import Package

HOLDER = "/opt/" + "_placehold" * 25
_TEXT = f"#!/bin/sh\necho {HOLDER}/share\n".encode()
# Two strings, one with the prefix twice, each with what follows at once: its place must not move.
_BINARY = b"\x7fHEAD\0" + f"{HOLDER}/lib\0next\0-L{HOLDER}/a:{HOLDER}/b\0".encode() + b"END\0\0tail\xff"


def _entry(path: str, data: bytes, **more: str) -> dict[str, Any]:
    digest = hashlib.sha256(data).hexdigest()
    return {"_path": path, "path_type": "hardlink", "sha256": digest, "size_in_bytes": len(data), **more}


def travelling(version: str = "1.0", *, files: int = 40) -> Package:
    """A package whose files name their prefix in every way that packages do."""
    plain = {f"share/many/{n:03}.txt": f"{n} of {version}\n".encode() * 50 for n in range(files)}
    content: dict[str, bytes | str] = {
        "bin/where": _TEXT,
        "lib/tool.bin": _BINARY,
        "lib/tool.so": "tool.bin",
        "share/" + "long/" * 22 + "name.txt": b"a path that tar has to write in two parts\n",
        **plain,
    }
    paths = [
        _entry("bin/where", _TEXT, prefix_placeholder=HOLDER, file_mode="text"),
        _entry("lib/tool.bin", _BINARY, prefix_placeholder=HOLDER, file_mode="binary"),
        {"_path": "lib/tool.so", "path_type": "softlink", "sha256": hashlib.sha256(b"").hexdigest()},
        *(_entry(p, d) for p, d in content.items() if isinstance(d, bytes) and p.startswith("share/")),
    ]
    return Package("tool", version, files=content, paths=paths)


def strings_of(prefix: str) -> bytes:
    """The strings of ``lib/tool.bin`` in a prefix, without padding."""
    return b"|".join(part for part in _BINARY.replace(HOLDER.encode(), prefix.encode()).split(b"\0") if part)

"""Stand-ins for what conda provides: wheels without files, which hold the resolver to conda's versions.

A requirement that conda's version satisfies resolves to the stand-in and draws in none of the dependencies that the
project has on PyPI; one that it does not satisfy has no solution. Stand-ins are never installed.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from envkit.models.pip import Provided

_FOLDER = "stand-ins"
_TIME = (1980, 1, 1, 0, 0, 0)


def write_stand_ins(cache: Path, provided: Sequence[Provided]) -> tuple[str, ...]:
    """Write a wheel for each distribution that is not there yet; return constraints that name them."""
    folder = cache / _FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for item in provided:
        path = folder / _key(item) / f"{item.name.replace('-', '_')}-{item.version}-py3-none-any.whl"
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            _write(path, _wheel(item))
        lines.append(f"{item.name} @ {path.as_uri()}")
    return tuple(lines)


def is_stand_in(url: str, cache: Path) -> bool:
    """Return whether the URL of a locked file is that of a stand-in."""
    return url.startswith((cache / _FOLDER).as_uri() + "/")


def _write(path: Path, data: bytes) -> None:
    """Write a file that another process may write, too: both write the same bytes."""
    handle, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        os.fchmod(file.fileno(), 0o644)
    Path(name).replace(path)


def _key(item: Provided) -> str:
    return hashlib.sha256("\n".join(item.requires).encode()).hexdigest()[:8]


def _wheel(item: Provided) -> bytes:
    folder = f"{item.name.replace('-', '_')}-{item.version}.dist-info"
    extras = sorted({extra for text in item.requires for extra in _extras(text)})
    lines = ["Metadata-Version: 2.1", f"Name: {item.name}", f"Version: {item.version}"]
    lines += [f"Provides-Extra: {extra}" for extra in extras]
    lines += [f"Requires-Dist: {text}" for text in item.requires]
    wheel = "Wheel-Version: 1.0\nGenerator: envkit\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files = {"METADATA": "\n".join(lines) + "\n", "WHEEL": wheel, "RECORD": ""}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(f"{folder}/{name}", _TIME), text)
    return buffer.getvalue()


def _extras(text: str) -> Iterable[str]:
    return re.findall(r"extra\s*==\s*['\"]([^'\"]+)['\"]", text)

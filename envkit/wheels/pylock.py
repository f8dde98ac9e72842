"""Locks of Python distributions as ``pylock.toml`` (PEP 751)."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from envkit.errors import IntegrityError
from envkit.models.manifest import PipPackage
from envkit.models.pip import parse_address

LOCK_NAME = "pylock.toml"


def parse_pylock(text: str, folder: Path) -> tuple[PipPackage, ...]:
    """Read a lock for one machine: each package has one file, repository or directory.

    Args:
        text: The lock.
        folder: What relative paths in it are relative to.

    Raises:
        IntegrityError: It is no such lock.
    """
    from packaging.pylock import Pylock, PylockValidationError

    try:
        lock = Pylock.from_dict(_loads(text))
    except (ValueError, PylockValidationError) as error:
        raise IntegrityError(f"a {LOCK_NAME} cannot be read: {error}", hint="Resolve the section again.") from None
    return tuple(sorted((_package(package, folder) for package in lock.packages), key=lambda p: p.name))


def _loads(text: str) -> Mapping[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    found: Mapping[str, Any] = tomllib.loads(text)
    return found


def _package(package: Any, folder: Path) -> PipPackage:
    same: dict[str, Any] = {
        "name": str(package.name),
        "version": None if package.version is None else str(package.version),
    }
    if package.vcs is not None:
        vcs = package.vcs
        return PipPackage(
            **same,
            kind="vcs",
            url=parse_address(vcs.url).url if vcs.url else _file_url(vcs.path, folder),
            commit=vcs.commit_id,
            revision=vcs.requested_revision,
            subdirectory=vcs.subdirectory,
        )
    if package.directory is not None:
        found = package.directory
        return PipPackage(
            **same,
            kind="directory",
            url=_file_url(found.path, folder),
            editable=bool(found.editable),
            subdirectory=found.subdirectory,
        )
    file = package.archive or next(iter(package.wheels or ()), None) or package.sdist
    if file is None:
        raise IntegrityError(f"{package.name} has no file in the lock", hint="Resolve the section again.")
    url = parse_address(file.url).url if file.url else _file_url(file.path, folder)
    return PipPackage(
        **same,
        kind="wheel" if urlsplit(url).path.endswith(".whl") else "sdist",
        url=url,
        size=file.size,
        hashes=dict(file.hashes),
        subdirectory=getattr(file, "subdirectory", None),
        direct=package.archive is not None,
    )


def _file_url(path: str | None, folder: Path) -> str:
    return f"file://{quote(str((folder / (path or '')).absolute()))}"


def pylock_text(packages: Iterable[PipPackage], *, python: str) -> str:
    """Write a lock of exactly these packages; `python` is the Python that they are for, such as ``3.11``."""
    head = 'lock-version = "1.0"\ncreated-by = "envkit"\n'
    return f'{head}requires-python = "=={python}.*"\n' + "".join(map(_entry, packages))


def _entry(package: PipPackage) -> str:
    lines = ["", "[[packages]]", f"name = {_text(package.name)}"]
    lines += [f"version = {_text(package.version)}"] if package.version else []
    place = _place(package)
    inner = [f"subdirectory = {_text(package.subdirectory)}"] if package.subdirectory else []
    if package.kind == "vcs":
        asked = [f"requested-revision = {_text(package.revision)}"] if package.revision else []
        parts = ['type = "git"', place, *asked, f"commit-id = {_text(package.commit or '')}", *inner]
        lines.append(f"vcs = {{ {', '.join(parts)} }}")
    elif package.kind == "directory":
        parts = [place, *(["editable = true"] if package.editable else []), *inner]
        lines.append(f"directory = {{ {', '.join(parts)} }}")
    else:
        digests = ", ".join(f"{name} = {_text(digest)}" for name, digest in sorted(package.hashes.items()))
        size = [f"size = {package.size}"] if package.size is not None else []
        parts = [place, *size, f"hashes = {{ {digests} }}", *inner]
        file = f"{{ {', '.join(parts)} }}"
        kind = "archive" if package.direct else "sdist"
        lines.append(f"wheels = [{file}]" if package.kind == "wheel" and not package.direct else f"{kind} = {file}")
    return "\n".join(lines) + "\n"


def _place(package: PipPackage) -> str:
    parts = urlsplit(package.url)
    return f"path = {_text(unquote(parts.path))}" if parts.scheme == "file" else f"url = {_text(package.url)}"


def _text(text: str) -> str:
    """Write a basic string (TOML 1.0): quotation marks, backslashes and control characters are escaped."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\u{ord(found[0]):04x}", escaped) + '"'


def sizes_of(packages: Sequence[PipPackage]) -> dict[str, int]:
    """Return the bytes of each package's file, where they are known."""
    return {package.name: package.size for package in packages if package.size is not None}

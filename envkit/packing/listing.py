"""List what a prefix holds, and which of its files name the prefix."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from envkit.checks.package import check_link_target
from envkit.errors import IntegrityError
from envkit.layout.damage import sha256_of
from envkit.models.pack import Embedded, PackedFile
from envkit.models.progress import Phase, Reporter
from envkit.packing.index import INDEX, OF_THIS_PLACE
from envkit.paths import MANIFEST
from envkit.plain import read_json
from envkit.values import dataclass, replace

_THREADS = 8
_CHUNK = 1 << 20
_RECORDS = "conda-meta/"


@dataclass(frozen=True, slots=True)
class _Recorded:
    """A file as the record of its package has it."""

    sha256: str  # as it is in the prefix; empty where it is not known
    original: str  # sha256 of the package's file
    placeholder: str  # empty without one
    mode: str  # of the placeholder
    is_made: bool  # whether the installer wrote it: the command of an entry point


def list_prefix(
    prefix: Path, *, hashed: bool, reporter: Reporter, phase: Phase, named: Path | None = None
) -> list[PackedFile]:
    """List everything in a prefix, sorted by path.

    Files of packages name the prefix where their records say so; all others are read, those of pip among them.

    Args:
        hashed: Read every file for its digest, and compare it with the record of its package.
        named: The path that its files name; None for that of the prefix.

    Raises:
        IntegrityError: A file differs from its record, or a link leads out of the prefix.
    """
    recorded = _recorded(prefix)
    path = str(named or prefix)
    found = sorted(_walk(prefix, path), key=lambda file: file.path)
    total = sum(file.size for file in found) if hashed else len(found)
    reporter.start(phase, f"{len(found):,} files", total=total, unit="B" if hashed else "")

    def completed(file: PackedFile) -> PackedFile:
        said = recorded.get(file.path)
        embedded = _embedded(prefix, file, said, path) if file.kind == "file" else None
        if not hashed or file.kind != "file":
            reporter.advance(phase, 0 if hashed else 1)
            return replace(file, embedded=embedded)
        digest = sha256_of(prefix / file.path)
        if said is not None and said.sha256 and digest != said.sha256:
            raise IntegrityError(
                f"{file.path} differs from what was installed", hint=f"Mend it first: envkit doctor {prefix} --fix."
            )
        reporter.advance(phase, file.size)
        return replace(file, embedded=embedded, sha256=digest)

    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(completed, found))


def read_placeholders(prefix: Path) -> dict[str, tuple[str, str]]:
    """Return the placeholder of each file that had one when it was packaged, and the sha256 that it had then."""
    return {path: (said.placeholder, said.original) for path, said in _recorded(prefix).items() if said.placeholder}


def _walk(prefix: Path, named: str) -> Iterator[PackedFile]:
    stack = [""]
    while stack:
        inner = stack.pop()
        with os.scandir(f"{prefix}/{inner}") as entries:
            here = list(entries)
        if not here and inner:
            yield PackedFile(inner.rstrip("/"), "folder")
        for entry in here:
            name = f"{inner}{entry.name}"
            state = entry.stat(follow_symlinks=False)
            if name == INDEX or name in OF_THIS_PLACE:
                continue
            if stat.S_ISDIR(state.st_mode):
                stack.append(f"{name}/")
            elif stat.S_ISLNK(state.st_mode):
                yield _link(prefix, name, os.readlink(entry.path), named)
            elif stat.S_ISREG(state.st_mode):
                mode = 0o755 if state.st_mode & stat.S_IXUSR else 0o644
                if not state.st_mode & stat.S_IWUSR:
                    mode &= ~0o222
                yield PackedFile(name, "file", mode, int(state.st_mtime), state.st_size)
            else:
                raise _foreign(prefix, f"{name} is neither a file nor a link")


def _link(prefix: Path, name: str, target: str, named: str) -> PackedFile:
    own = f"{named}/"
    if target.startswith(own):  # within the prefix, by its path: it goes where the prefix goes
        target = os.path.relpath(target[len(own) :], os.path.dirname(name) or ".")  # noqa: PTH120 - of text
    fault = check_link_target(name, target)
    if fault is not None:
        raise _foreign(prefix, fault)
    return PackedFile(name, "link", 0o777, 0, target=target)


def _foreign(prefix: Path, fault: str) -> IntegrityError:
    return IntegrityError(
        f"{prefix} cannot be carried elsewhere: {fault}", hint="Take it away, or make the environment again."
    )


def _recorded(prefix: Path) -> Mapping[str, _Recorded]:
    found: dict[str, _Recorded] = {}
    for path in sorted((prefix / "conda-meta").glob("*.json")):
        try:
            entries: Sequence[Mapping[str, Any]] = read_json(path)["paths_data"]["paths"]
            for entry in entries:
                placeholder = str(entry.get("prefix_placeholder") or "")
                digest = entry.get("sha256_in_prefix") or ("" if placeholder else entry.get("sha256"))
                made = entry.get("path_type") == "unix_python_entry_point"
                mode = str(entry.get("file_mode") or "text")
                found[str(entry["_path"])] = _Recorded(
                    "" if made else str(digest or ""), str(entry.get("sha256") or ""), placeholder, mode, made
                )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise IntegrityError(
                f"conda-meta/{path.name} cannot be read ({type(error).__name__})",
                hint=f"Mend it first: envkit doctor {prefix} --fix.",
            ) from error
    return found


def _embedded(prefix: Path, file: PackedFile, said: _Recorded | None, text: str) -> Embedded | None:
    if said is not None and said.placeholder:
        if said.mode == "binary":
            return Embedded("binary", text, len(os.fsencode(said.placeholder)))
        return Embedded("text", text, 0)
    if said is not None and not said.is_made:
        return None  # a package's own bytes
    if file.path == MANIFEST or file.path.startswith(_RECORDS) or file.path.endswith(".pyc"):
        return None  # written anew; bytecode is given its path when it is loaded
    return _read_embedded(prefix / file.path, text)


def _read_embedded(path: Path, text: str) -> Embedded | None:
    """Look for the prefix in a file that no package brought."""
    wanted = os.fsencode(text)
    is_text, is_there = True, False
    before = b""
    with path.open("rb") as file:
        while data := file.read(_CHUNK):
            window = before + data
            is_there = is_there or wanted in window
            is_text = is_text and b"\0" not in data
            before = window[-len(wanted) :]
    if not is_there:
        return None
    return Embedded("text", text, 0) if is_text else Embedded("binary", text, len(wanted))

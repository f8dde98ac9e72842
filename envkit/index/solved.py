"""Solutions that were found over indexes on this machine, kept until an index, the request or the solver changes.

A solution follows from the request and the indexes. It is kept beside them, and is as private as they are.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import envkit
from envkit.builds.record import record_from_repodata
from envkit.models.build import Record
from envkit.models.problem import Problem
from envkit.models.solve import SolveTask

_FORMAT = 1
_MOST = 200  # of 20 to 100 KB
_LARGEST = 16 << 20


class SolvedTask:
    """The place of the solution of one task over some indexes."""

    def __init__(self, folder: Path, task: SolveTask, identity: str) -> None:
        asked = (task.specs, task.constraints, task.platforms, task.channel_priority, task.exclude_newer)
        virtual = [tuple(package) for package in task.virtual_packages]
        text = json.dumps([_FORMAT, envkit.__version__, _solver(), identity, asked, virtual])
        self._folder = folder / "solved"
        self._path = self._folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"

    def read(self) -> tuple[Record, ...] | Problem | None:
        """Return the solution, or why there is none; None if neither is kept."""
        try:
            with self._path.open("rb") as file:
                data = file.read(_LARGEST)
            if int(data[:8], 16) != zlib.crc32(data[8:]):
                return None
            said = json.loads(data[8:])
            found = _problem(said) if isinstance(said, dict) else tuple(record_from_repodata(*entry) for entry in said)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        with suppress(OSError):  # what is used stays
            os.utime(self._path)
        return found

    def keep(self, answer: Sequence[Record] | Problem) -> None:
        """Keep the solution, or why there is none, unless it cannot be written."""
        said: Any
        if isinstance(answer, Problem):
            said = _problem_json(answer)
        else:
            said = [[dict(r.raw), r.fn, r.channel, r.subdir] for r in answer]
        content = json.dumps(said).encode()
        temporary = self._path.with_name(f"{self._path.name}.{os.urandom(4).hex()}")
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            with open(temporary, "xb", opener=_private) as file:
                file.write(b"%08x" % zlib.crc32(content) + content)
            temporary.replace(self._path)
            self._prune()
        except OSError:
            with suppress(OSError):
                temporary.unlink()

    def _prune(self) -> None:
        """Remove those that were not used for longest."""
        kept = list(self._folder.iterdir())
        if len(kept) > _MOST:
            aged = []
            for path in kept:
                with suppress(OSError):
                    aged.append((path.stat().st_mtime, path))
            for _, path in sorted(aged)[: len(aged) // 2]:
                with suppress(OSError):
                    path.unlink()


_MEMBERS = ("kind", "text", "name", "spec", "versions", "builds")


def _problem_json(problem: Problem) -> dict[str, Any]:
    said = {member: getattr(problem, member) for member in _MEMBERS}
    return {**said, "children": [_problem_json(child) for child in problem.children]}


def _problem(said: dict[str, Any]) -> Problem:
    lists = {member: tuple(said[member]) for member in ("versions", "builds")}
    return Problem(**{**said, **lists, "children": tuple(_problem(child) for child in said["children"])})


def _solver() -> str:
    """Return what tells a solver from another version of it, without loading it."""
    found = find_spec("rattler")
    if found is None or found.origin is None:
        return ""
    state = Path(found.origin).with_name("rattler.abi3.so")
    with suppress(OSError):
        return f"{state.stat().st_size} {state.stat().st_mtime_ns}"
    return found.origin


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)

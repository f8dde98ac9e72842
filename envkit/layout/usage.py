"""Use: generations in use by processes."""

from __future__ import annotations

import os
from collections.abc import Iterator

from envkit.layout import lease
from envkit.layout.generation import list_generations
from envkit.layout.uses import users_of
from envkit.layout.volume import Volume


def in_use(volume: Volume) -> set[str]:
    """Return the names of generations whose lease is held, or that `seen_in_processes` finds.

    Leases of other hosts are seen if the file system carries locks. Processes are seen on this host only, and those
    of other users by root only; marks of use, on all hosts (`envkit.layout.uses`).
    """
    names = {path.name for path in list_generations(volume)}
    seen = seen_in_processes(volume) | users_of(volume).keys()
    return {name for name in names if lease.is_held(volume, name)} | (seen & names)


def seen_in_processes(volume: Volume) -> set[str]:
    """Return the names of generations in the mapped files, program or directory of a process on this host."""
    used: set[str] = set()
    marker = os.fsencode(f"{os.path.realpath(volume.generations)}/")
    for text in _process_texts():
        start = text.find(marker)
        while start >= 0:
            start += len(marker)
            end = min((at for at in (text.find(stop, start) for stop in (b"/", b"\n", b" ")) if at >= 0), default=None)
            used.add(os.fsdecode(text[start:end]))
            start = text.find(marker, start)
    return used


def _process_texts() -> Iterator[bytes]:
    try:
        processes = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return  # macOS: leases only
    for number in processes:
        if number == str(os.getpid()):
            continue
        try:
            with open(f"/proc/{number}/maps", "rb") as file:  # noqa: PTH123 - thousands of them
                yield file.read()
        except OSError:
            continue  # it has ended, or belongs to another user
        for link in ("exe", "cwd"):
            try:
                yield os.fsencode(os.readlink(f"/proc/{number}/{link}"))
            except OSError:
                continue

"""Notice that the native engine waits for a thread that could not be started.

Its runtime hands blocking work to a pool of threads. When the system refuses another thread (ulimit -v, ulimit -u, the
limits of a container) the work stays in a queue until one is free, and an extraction holds the thread on which the
reading of its own archive waits: neither ends.
"""

from __future__ import annotations

from collections.abc import Awaitable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import asyncio

    from rattler import Client

_T = TypeVar("_T")

_ASKED_S = 3.0
_POLLS, _POLL_S = 48, 0.25  # many short waits: a process that was stopped for a while has not waited
_NOTHING = Path("/dev/null/-")  # no file system is asked for it


async def unstarved(client: Client, working: Awaitable[_T]) -> _T:
    """Wait for work of the native engine, as long as its threads answer.

    Raises:
        MemoryError: They do not answer for 12 s: all of them wait for one that could not be started.
    """
    import asyncio

    task = asyncio.ensure_future(working)
    try:
        while not (await asyncio.wait({task}, timeout=_ASKED_S))[0]:
            await _ask(client, task)
        return task.result()
    finally:
        task.cancel()


async def _ask(client: Client, task: asyncio.Future[Any]) -> None:
    """Give the threads something small, which also makes the engine try to start one; return once it or `task` ends."""
    import asyncio

    from rattler.package_streaming import download_and_extract

    answer: asyncio.Future[Any] = asyncio.ensure_future(download_and_extract(client, f"file://{_NOTHING}", _NOTHING))
    try:
        for _ in range(_POLLS):
            if (await asyncio.wait({task, answer}, timeout=_POLL_S, return_when=asyncio.FIRST_COMPLETED))[0]:
                return
        raise MemoryError("the native engine could not start a thread")
    finally:
        if not answer.cancel():
            answer.exception()  # retrieved, or asyncio would print it

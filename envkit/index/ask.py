"""Ask servers whether indexes are still those on this machine: one request for each, all at once.

Whatever is not a plain "unchanged" is left to the native engine: errors, logins, proxies, redirections, other content.
"""

from __future__ import annotations

import http.client
import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import urlsplit

import envkit
from envkit.index.cached import Notes

_LONGEST_S = 5.0


def are_unchanged(asked: Sequence[Notes], limit_s: float) -> bool:
    """Return whether servers say of all these indexes that they did not change; the answers are noted.

    Args:
        limit_s: Time for all of it in seconds.
    """
    answers: list[bool] = []
    by_host: dict[str, list[Notes]] = {}
    for notes in asked:
        by_host.setdefault(urlsplit(notes.url)._replace(path="").geturl(), []).append(notes)
    limit_s = min(limit_s, _LONGEST_S)
    threads = [
        threading.Thread(target=_ask_host, args=(some, limit_s, answers), daemon=True) for some in by_host.values()
    ]
    deadline = time.monotonic() + limit_s
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0))
    return len(answers) == len(asked) and all(answers)


def _ask_host(some: Sequence[Notes], limit_s: float, answers: list[bool]) -> None:
    """Ask one server about each of its indexes, over one connection if it keeps it open."""
    with suppress(OSError, http.client.HTTPException, ValueError):
        parts = urlsplit(some[0].url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.netloc, timeout=limit_s)
        try:
            for notes in some:
                headers = {"User-Agent": f"envkit/{envkit.__version__}", "Accept-Encoding": "gzip", **notes.conditions}
                connection.request("GET", urlsplit(notes.url).path, headers=headers)
                answer = connection.getresponse()
                answers.append(answer.status == notes.status)
                if not answers[-1]:
                    return  # it may send a whole index: close
                answer.read()
                with suppress(OSError):
                    os.utime(notes.path)
        finally:
            connection.close()

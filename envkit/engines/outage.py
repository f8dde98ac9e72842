"""Hosts that cannot be reached: why, in a few words, and that it was so a moment ago."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

__all__ = ["MEMORY_S", "Outage", "describe_outage", "recall_outage", "remember_outage"]

MEMORY_S = 60.0
"""For so long a host that could not be reached is not asked again by what has another answer."""

_FOLDER = "unreachable"
_URL = re.compile(r"[a-z0-9+]+://\S+")
# What the native engine's chain of causes holds (hyper, rustls and the operating system's words), the surest first.
_CAUSES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"failed to lookup address|dns error"), "the name {host} cannot be resolved"),
    (re.compile(r"tunnel"), "the proxy does not lead to {host}"),
    (re.compile(r"certificate|unknownissuer"), "the certificate of {host} is not trusted here"),
    (re.compile(r"connection refused"), "{host} refuses the connection"),
    (re.compile(r"network is unreachable|no route to host|host is unreachable"), "{host} cannot be reached"),
    (re.compile(r"timed out|timeout"), "{host} does not answer in time"),
    (re.compile(r"connection reset|connection closed|broken pipe|unexpected eof"), "{host} breaks the connection off"),
)


@dataclass(frozen=True, slots=True)
class Outage:
    """A host that could not be reached.

    Attributes:
        cause: Why, in a few words.
        age_s: How long ago that was, in seconds.
    """

    cause: str
    age_s: float = 0.0


def describe_outage(text: str, url: str) -> str | None:
    """Why the host of a URL cannot be reached; None where it answered, and something else is wrong.

    Args:
        text: The whole chain of causes.
        url: The channel.
    """
    host = urlsplit(url).netloc.rpartition("@")[2]
    lowered = _URL.sub("", text.lower())  # a channel may be called timeout
    if not host or "http status" in lowered:
        return None
    return next((words.format(host=host) for pattern, words in _CAUSES if pattern.search(lowered)), None)


def _file(cache: Path, url: str) -> Path:
    parts = urlsplit(url)
    host = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    return cache / _FOLDER / hashlib.sha256(host.encode()).hexdigest()[:16]


def remember_outage(cache: Path, url: str, cause: str) -> None:
    """Keep that the host of a channel cannot be reached; where the cache cannot be written nothing is kept.

    Args:
        cache: The user's cache folder.
        url: The channel, without credentials.
        cause: Why, in a few words.
    """
    path = _file(cache, url)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(cause)
        Path(name).replace(path)  # another process reads the old words or the new ones


def recall_outage(cache: Path, urls: Iterable[str]) -> Outage | None:
    """The outage of the last `MEMORY_S` seconds of a host of these channels; None when there is none."""
    for url in urls:
        path = _file(cache, url)
        with suppress(OSError, UnicodeDecodeError):
            age_s = time.time() - path.stat().st_mtime
            if 0 <= age_s < MEMORY_S:
                return Outage(path.read_text(encoding="utf-8"), age_s)
    return None

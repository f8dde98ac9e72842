"""Recognise unreachable hosts, describe why, and remember them for a short time."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from envkit.patterns import regex
from envkit.values import dataclass

MEMORY_S = 60.0
"""Do not retry an unreachable host for this long when a cache can answer."""

_URL = regex(r"[a-z0-9+]+://\S+")
# Words in the native engine's chain of causes (hyper, rustls, the operating system), most certain first.
_CAUSES: tuple[tuple[re.Pattern[str], str], ...] = (
    (regex(r"failed to lookup address|dns error"), "the name {host} cannot be resolved"),
    (regex(r"tunnel"), "the proxy does not lead to {host}"),
    (regex(r"certificate (is )?not (valid yet|yet valid)"), "the certificate of {host} is not valid yet by this clock"),
    (regex(r"certificate (has )?expired"), "the certificate of {host} is expired by this clock"),
    (regex(r"certificate|unknownissuer"), "the certificate of {host} is not trusted here"),
    (regex(r"connection refused"), "{host} refuses the connection"),
    (regex(r"network is unreachable|no route to host|host is unreachable"), "{host} cannot be reached"),
    (regex(r"timed out|timeout"), "{host} does not answer in time"),
    (regex(r"connection reset|connection closed|broken pipe|unexpected eof"), "{host} breaks the connection off"),
)
# A client speaks to its proxy only, so what ends here did not get past it.
_OF_PROXY = tuple(pair for pair in _CAUSES if "certificate" not in pair[1] and "tunnel" not in pair[0].pattern)
_PROXY_REFUSES = regex(r"\b407\b|proxy auth")


@dataclass(frozen=True, slots=True)
class Outage:
    """A host that could not be reached some seconds ago, and why not, in a few words."""

    cause: str
    age_s: float = 0.0


def describe_outage(text: str, url: str, proxy: str | None = None) -> str | None:
    """Describe why the host of a URL is unreachable; None if it answered and the fault is another.

    Args:
        proxy: The proxy on the way, as host and port: where the connection fails, it failed to this one.
    """
    lowered = _URL.sub("", text.lower())  # a channel may be called timeout
    if proxy is not None and _PROXY_REFUSES.search(lowered):
        return f"the proxy {proxy} wants a user and a password"
    if proxy is not None and "http status" not in lowered:
        found = next((words for pattern, words in _OF_PROXY if pattern.search(lowered)), None)
        if found is not None:
            return found.format(host=f"the proxy {proxy}")
    host = urlsplit(url).netloc.rpartition("@")[2]
    if not host or "http status" in lowered:
        return None
    return next((words.format(host=host) for pattern, words in _CAUSES if pattern.search(lowered)), None)


def outage_folder(cache: Path) -> Path:
    """Return the folder that remembers outages, below the user's cache."""
    return cache / "unreachable"


def _file(cache: Path, url: str) -> Path:
    parts = urlsplit(url)
    host = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    return outage_folder(cache) / hashlib.sha256(host.encode()).hexdigest()[:16]


def remember_outage(cache: Path, url: str, cause: str) -> None:
    """Remember that the host of a channel (without credentials) is unreachable, if the cache can be written."""
    path = _file(cache, url)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        import tempfile

        handle, name = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(cause)
        Path(name).replace(path)  # a reader gets the old file or the new one, whole


def recall_outage(cache: Path, urls: Iterable[str]) -> Outage | None:
    """Return the outage of a host of these channels in the last `MEMORY_S` seconds, or None."""
    for url in urls:
        path = _file(cache, url)
        with suppress(OSError, UnicodeDecodeError):
            age_s = time.time() - path.stat().st_mtime
            if 0 <= age_s < MEMORY_S:
                return Outage(path.read_text(encoding="utf-8"), age_s)
    return None

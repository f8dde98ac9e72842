"""`find` asked again: what it said is said again while nothing that it read has changed.

What `find` prints of the channels' own answer is kept in the user's cache for as long as the channels allow to use
their indexes unasked, under a digest of its circumstances, with the state of every file that the answer rests on. One
that changed, an index that is too old, and every case that is not plain are left to the whole command.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import envkit
from envkit.cli.circumstances import Copied, circumstances
from envkit.errors import EnvkitError
from envkit.host.cache import default_cache_dir, read_entry, write_entry
from envkit.host.fingerprint import fingerprint_now
from envkit.paths import state_of

if TYPE_CHECKING:
    from envkit.api.session import Session
    from envkit.models.results import FindResult

_VALUED = {
    "-c": "channel", "--channel": "channel", "--cuda": "", "--python": "", "--platform": "", "--subdir": "",
    "--prefer": "", "--driver": "", "--gpu": "", "--cuda-arch": "", "--glibc": "", "--limit": "", "--timeout": "",
}  # fmt: skip
_FLAGS = frozenset(
    {"--override-channels", "--no-gpu", "--all", "--why", "--matrix", "--json", "--offline", "-q", "--quiet"}
)
_LONGEST = 1 << 16  # characters of an answer that is kept
_asked: list[str] = []
"""The digest of this process's request, as it was before it read anything."""


def repeat_answer(words: Sequence[str]) -> bool:
    """Answer ``envkit find WORDS`` if it was answered before and nothing has changed; else return False."""
    try:
        cache, digest = default_cache_dir(os.environ), _digest(words)
        if cache is None or digest is None:
            return False
        _asked.append(digest)
        note = read_entry(cache, f"found-{digest}")
        if note is None or not _holds(note):
            return False
        text = note["text"]
        if not isinstance(text, str):
            return False
        sys.stdout.write(text)
        sys.stdout.flush()
    except (EnvkitError, OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    return True


class Keeper:
    """Shows the result of a command, and keeps what is said of it for `repeat_answer`."""

    def __init__(self, session: Session) -> None:
        """Note what the answer will rest on, before anything is read."""
        from envkit.api.evidence import surroundings

        self._session = session
        self._before = surroundings(session) if _asked else {}

    def show(self, result: FindResult, show: Callable[[], int]) -> int:
        """Show a result; return the exit code."""
        plain = result.source == "channels" and result.error is None and not self._session.settings.exclude_newer
        if not _asked or not plain:
            return show()
        copied = Copied(sys.stdout)
        with contextlib.redirect_stdout(copied):
            code = show()
        if code == 0 and not getattr(self._session.reporter, "noted", True) and len(copied.text) <= _LONGEST:
            with contextlib.suppress(EnvkitError, OSError, ValueError):
                self._keep(copied.text)
        return code

    def _keep(self, text: str) -> None:
        from envkit.api.evidence import evidence_of

        cache, digest = default_cache_dir(os.environ), _digest(sys.argv[2:])
        found = evidence_of(self._session) if digest in _asked else None  # else settings changed since they were read
        if cache is not None and found is not None:
            note = {"until": found.until_s, "files": {**self._before, **found.states}, "text": text}
            write_entry(cache, f"found-{digest}", note)


def _holds(note: dict[str, object]) -> bool:
    """Return whether all that an answer rests on is as it was, and may still be used."""
    until, files = note["until"], note["files"]
    if not isinstance(until, int | float) or not isinstance(files, dict):
        return False
    return time.time() < until and all(state_of(path) == state for path, state in files.items())


def _digest(words: Sequence[str]) -> str | None:
    """Return a digest of the circumstances of a command line; None if they are not plain."""
    channels = _scan(words)
    if channels is None or "_ENVKIT_COMPLETE" in os.environ or not _is_installed():
        return None
    token, fingerprint = fingerprint_now()
    if fingerprint is None:
        return None  # only the driver could tell which machine this is
    own = state_of(envkit.__file__)  # another one after each installation
    return circumstances(words, "find", token, fingerprint, repr(own), files=(), channels=channels)


def _is_installed() -> bool:
    """Return whether this envkit is what was installed; the files of a checkout change at any time."""
    return "-packages" in os.path.basename(os.path.dirname(os.path.dirname(envkit.__file__)))


def _scan(words: Sequence[str]) -> list[str] | None:
    """Return the channels of a command line that holds nothing but a package and plain options; None for others."""
    channels: list[str] = []
    specs, rest = 0, list(words)
    while rest:
        word = rest.pop(0)
        option, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if not word.startswith("-"):
            specs += 1
        elif option in _VALUED and (equals or rest):
            value = value if equals else rest.pop(0)
            channels += [value] if _VALUED[option] == "channel" else []
        elif word not in _FLAGS:
            return None
    return channels if specs == 1 else None

"""Circumstances of a command: a digest of what its answer depends on besides volumes and indexes.

The words and the directory in which they are read; this envkit and its Python; the machine; variables; the files of
settings and of packages; folders that channels may mean; how the answer is shown.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

from envkit import __version__
from envkit.cli.terminal import has_styles, terminal_width
from envkit.hashes import sha256
from envkit.inputs.places import own_path, settings_paths
from envkit.layout.private import read_file
from envkit.patterns import regex

if TYPE_CHECKING:
    from envkit.api.session import Session

_LIMIT_BYTES = 1 << 20
# Variables that conda, mamba, envkit and their parts read, and those that decide how the answer is printed.
_VARIABLES = regex(
    r"_?CONDA|_?MAMBA|_?ENVKIT|XDG_|PIP_|UV_|RATTLER|HOME$|COLUMNS$|NO_COLOR$|FORCE_COLOR$|TERM$|PYTHON|LC_|LANG"
)
# What makes a file depend on more than its own bytes: variables, templates, options, archives, other files; and what
# may hide these: escapes and encodings.
_REACHES_OUT = regex(
    rb"(?mi)\$|\{[{%]|^(?!# envkit: ).*?(?<![\w.])--?[a-z]|file:|\./|://|\.(?:whl|zip|tar|t[gbxl]z)|\\|\0|coding[:=]"
)


class Copied:
    """A stream for text that keeps what is written to it."""

    def __init__(self, stream: TextIO) -> None:
        self.text = ""
        self._stream = stream

    def write(self, text: str, /) -> int:
        """Write and keep a text."""
        self.text += text
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def listening(session: Session) -> Session:
    """Return a session whose reporter knows whether the user was told something."""
    from envkit.models.progress import Listener
    from envkit.values import replace

    return replace(session, reporter=Listener(session.reporter))


def circumstances(words: Sequence[str], *more: str, files: Sequence[str], channels: Sequence[str]) -> str | None:
    """Return a digest of all that the reading of a command line depends on; None if that is not plain.

    Args:
        words: The command line.
        more: What else it depends on.
        files: Files of packages that it names.
        channels: Channels that it names.
    """
    contents: list[tuple[str, str]] = []
    for path in (*settings_paths(os.environ), own_path(os.environ), *files):
        if path in files and not path.endswith((".yml", ".yaml", ".txt")):
            return None
        try:
            data = read_file(os.path.abspath(path), limit=_LIMIT_BYTES)
        except FileNotFoundError:
            if path in files:
                return None
            continue
        if _REACHES_OUT.search(data) if path in files else b"$" in data:
            return None
        contents.append((path, sha256(data).hexdigest()))
    variables = sorted((name, value) for name, value in os.environ.items() if _VARIABLES.match(name))
    folders = [os.path.isdir(os.path.join(channel, "noarch")) for channel in channels if "://" not in channel]
    shown = [sys.stdout.isatty(), sys.stdout.encoding, terminal_width(), has_styles(sys.stdout)]
    here = [os.getcwd(), os.geteuid(), *more, sys.prefix, sys.version, __version__]
    told = json.dumps([list(words), here, variables, contents, folders, shown])
    return sha256(told.encode("utf-8", "surrogateescape")).hexdigest()[:32]

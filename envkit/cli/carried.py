"""Commands in hints, with the volume, channels and engine of the call that they answer."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from envkit.errors import EnvkitError
from envkit.patterns import regex

if TYPE_CHECKING:
    import re

_VOLUME = ("--persist",)
_INDEXES = ("-c", "--channel", "--override-channels", "--engine", "--offline")
_TAKES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("create", "install", "upgrade"), (*_VOLUME, *_INDEXES)),
    **dict.fromkeys(("find",), _INDEXES),
    **dict.fromkeys(
        ("list", "show", "history", "rollback", "diff", "tree", "why", "remove", "rename", "clone", "export", "doctor",
         "clean", "validate", "uninstall", "volume", "activate", "pack", "unpack", "stage", "image"),
        _VOLUME,
    ),
}  # fmt: skip
_LONE = frozenset({"--override-channels", "--offline"})
_COMMAND = regex(rf"\benvkit ({'|'.join(_TAKES)})\b(?![-/.\w])")


def carry(hint: str, argv: Sequence[str]) -> str:
    """Return a hint whose commands have the flags that the command line `argv` gave for volume and channels."""
    given = _given(argv)
    if not given:
        return hint
    import shlex

    def complete(match: re.Match[str]) -> str:
        told = hint[match.end() :].partition("`")[0]
        if told.strip() == "--help" or (match[1] == "pack" and "unpack" in argv):  # a pack comes from another volume
            return match[0]
        flags = [words for words in given if words[0] in _TAKES[match[1]] and words[0] not in told.split()]
        return " ".join([match[0], *(shlex.join(words) for words in flags)])

    return _COMMAND.sub(complete, hint)


def volume_flag(root: str, name: str) -> str:
    """Return the ``--persist`` that a command about an environment needs, after a blank, if it needs one."""
    import shlex

    from envkit.client.volume import locate_volume

    with contextlib.suppress(EnvkitError, OSError):
        if os.path.realpath(locate_volume(None, name)) == os.path.realpath(root):
            return ""
    return f" --persist {shlex.quote(root)}"


def _given(argv: Sequence[str]) -> list[tuple[str, ...]]:
    every = {*_VOLUME, *_INDEXES}
    words = list(argv[: list(argv).index("--")] if "--" in argv else argv)
    found: list[tuple[str, ...]] = []
    while words:
        option, equals, value = words.pop(0).partition("=")
        if option not in every:
            continue
        if option in _LONE:
            found.append((option,))
        elif equals or words:
            found.append((option, value if equals else words.pop(0)))
    return found

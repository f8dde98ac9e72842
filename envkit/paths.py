"""The path of a volume, as flags, variables and files write it. Imports the standard library only."""

from __future__ import annotations

import os
from collections.abc import Mapping

from envkit.errors import SettingsError

__all__ = ["is_plain", "volume_path"]


def is_plain(path: str) -> bool:
    """Whether a path holds neither control characters nor bytes that are not UTF-8."""
    return not any(ord(c) < ord(" ") or c == "\x7f" or "\ud800" <= c <= "\udfff" for c in path)


def volume_path(text: str, env: Mapping[str, str]) -> str:
    """An absolute path, with ``~`` and variables expanded as conda expands them; links stay as they were written.

    Raises:
        SettingsError: It holds control characters or bytes that are not UTF-8. The path goes into scripts, records
            and scripts' first lines, which end at a newline.
    """
    for name, value in env.items():
        text = text.replace(f"${{{name}}}", value)
    path = os.path.abspath(os.path.expandvars(os.path.expanduser(text.strip())))
    if not is_plain(path):
        raise SettingsError(
            f"not a directory for a volume: {path!a}",
            hint="Give a directory without control characters, in UTF-8, with --persist DIR.",
        )
    return path

"""PTX as text: what ``nvcc --ptx`` writes and Triton caches."""

from __future__ import annotations

import re

from envkit.gpucode.source import FileBytes, MalformedCodeError
from envkit.gpucode.tally import Tally
from envkit.patterns import regex

_HEAD_BYTES = 1 << 16  # of comments and directives; the first function comes after them
_COMMENT = regex(rb"//[^\n]*|/\*.*?\*/", re.DOTALL)
_VERSION = regex(rb"\s*\.version\s+(\d{1,2})\.(\d{1,2})\s")
_TARGET = regex(rb"\s\.target\s+(?:sm|compute)_(\d{2,3})([af]?)\b")


def read_ptx(source: FileBytes, tally: Tally) -> bool:
    """Count a file that is PTX; return whether it is.

    Raises:
        MalformedCodeError: It has a version and no target.
    """
    if source.read(0, min(64, source.size)).lstrip()[:1] not in {b".", b"/"}:
        return False
    head = _COMMENT.sub(b" ", source.read(0, min(_HEAD_BYTES, source.size)))
    version = _VERSION.match(head)
    if version is None:
        return False
    target = _TARGET.search(head)
    if target is None:
        raise MalformedCodeError("PTX without the architecture that it is for")
    tally.look()
    tally.add_ptx(int(target[1]), target[2].decode(), (int(version[1]), int(version[2])))
    return True

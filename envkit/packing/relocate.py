"""Put another prefix into the content of a file. Pure: bytes in, bytes out.

Linking a package replaces its placeholder by the prefix (CEP 34): in text everywhere, in binaries within strings that
end with NUL, which are padded with NUL to their old length. So a binary has room for a prefix as long as its
placeholder, whatever stands there now.
"""

from __future__ import annotations

import os
import re

from envkit.models.pack import Embedded

# Linux before 5.1 reads 127 bytes of a `#!` line, and each ends the program at a space; linking a package uses env(1)
# for such paths.
_LONGEST_SHEBANG = 127


def put_prefix(data: bytes, embedded: Embedded, prefix: str) -> bytes:
    """Return the content of a file with `prefix` in place of the one that it names.

    Raises:
        ValueError: A binary has no room for it.
    """
    old, new = os.fsencode(embedded.text), os.fsencode(prefix)
    if old == new:
        return data
    if embedded.mode == "text":
        return _put_shebang(data, old, new).replace(old, new)

    def replaced(match: re.Match[bytes]) -> bytes:
        text, nuls = match[1], len(match[2])
        count = text.count(old)
        # The padding, without the NULs that belong to what follows; one ends the string.
        length = len(text) + max(0, min(nuls - 1, count * (embedded.room - len(old))))
        fresh = text.replace(old, new)
        if len(fresh) > length:
            raise ValueError(f"it has room for a path of {len(old) + (length - len(text)) // count} bytes")
        return fresh.ljust(length, b"\0") + match[0][length:]

    return re.sub(rb"(" + re.escape(old) + rb"[^\0]*)(\0+)", replaced, data)


def _put_shebang(data: bytes, old: bytes, new: bytes) -> bytes:
    """Return the content with a first line that the kernel can read, if that names a program of the prefix."""
    match = re.match(rb"#! *" + re.escape(old) + rb"(/[^ \n\r\t]*)([^\n]*)", data)
    if match is None:
        return data
    line = b"#!" + new + match[1] + match[2]
    if b" " in new or len(line) > _LONGEST_SHEBANG:
        line = b"#!/usr/bin/env " + match[1].rpartition(b"/")[2] + match[2]
    return line + data[match.end() :]

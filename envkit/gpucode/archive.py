"""Static archives: ``.a`` as ``ar`` writes them, and ``.lib``."""

from __future__ import annotations

from collections.abc import Iterator

from envkit.gpucode.source import FileBytes, MalformedCodeError

AR_MAGICS = (b"!<arch>\n", b"!<thin>\n")
_HEADER_BYTES = 60
_SIZE = slice(48, 58)
_END = b"`\n"


def archive_members(source: FileBytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Return where each member begins and ends. Members of a thin archive are other files, and not returned.

    Raises:
        MalformedCodeError: A member runs over the end, or has no header.
    """
    if source.read(start, 8) == AR_MAGICS[1]:
        return
    position = start + 8
    while position + 1 < end:
        header = source.read(position, min(_HEADER_BYTES, end - position))
        size = header[_SIZE].strip()
        if len(header) < _HEADER_BYTES or header[58:] != _END or not size.isdigit():
            raise MalformedCodeError(f"an archive without a member at byte {position:,}, where one should begin")
        position += _HEADER_BYTES
        # BSD and macOS keep a long name in front of the member's bytes.
        name = int(header[3:16]) if header.startswith(b"#1/") and header[3:16].strip().isdigit() else 0
        after = position + int(size)
        if after > end or name > int(size):
            raise MalformedCodeError(f"the archive's member at byte {position:,} claims bytes that are not there")
        yield position + name, after
        position = after + (after - start) % 2

"""Code for AMD GPUs: recognised and named, so that nobody takes such a library for one without GPU code.

Source: clang's documentation of its offload bundles (ClangOffloadBundler), compressed ones included.
"""

from __future__ import annotations

from struct import Struct

from envkit.gpucode.source import FileBytes, MalformedCodeError, chunks
from envkit.gpucode.tally import Tally
from envkit.patterns import regex

_PLAIN = b"__CLANG_OFFLOAD_BUNDLE__"
_COMPRESSED = b"CCOB"
BUNDLE_MAGICS = (_PLAIN, _COMPRESSED)
_MAGIC = regex(b"|".join(BUNDLE_MAGICS))
_GAP_BYTES = 1 << 24
_NUMBER = Struct("<Q")
_ENTRY = Struct("<QQQ")  # offset and size of the code, length of the identifier that follows
_HEADER = Struct("<4sHH")  # magic, version, method
_TOTAL = {2: Struct("<8xI"), 3: Struct("<8xQ")}  # size of a compressed bundle, which version 1 does not have
_TARGET = regex(rb"--(gfx[0-9a-z-]{2,24}(?::[a-z]{1,16}[+-]){0,4})")
_MOST_TARGETS = 1024
_MOST_LETTERS = 512


def read_bundles(source: FileBytes, start: int, end: int, tally: Tally) -> None:
    """Count the bundles between two offsets, by the GPU that their code is for.

    Raises:
        MalformedCodeError: A size runs over the end.
    """
    position = _next(source, start, end)
    while position < end:
        tally.look()
        if source.read(position, 4) == _COMPRESSED:
            tally.add_other("rocm:compressed")
            after = _skip_compressed(source, position, end)
        else:
            after = _read_bundle(source, position, end, tally)
        position = _next(source, after, end)


def _next(source: FileBytes, position: int, end: int) -> int:
    """Return where the next bundle begins, or the end: the first kind of compressed ones does not tell its size."""
    for offset, data in chunks(source, position, min(end, position + _GAP_BYTES), len(_PLAIN) - 1):
        found = _MAGIC.search(data)
        if found:
            return offset + found.start()
    return end


def _skip_compressed(source: FileBytes, position: int, end: int) -> int:
    if position + _TOTAL[3].size > end:
        raise MalformedCodeError(f"a compressed bundle of AMD code at byte {position:,} is cut off")
    _, version, _ = _HEADER.unpack(source.read(position, _HEADER.size))
    total = _HEADER.size
    if version in _TOTAL:
        (total,) = _TOTAL[version].unpack(source.read(position, _TOTAL[version].size))
    if position + total > end:
        raise MalformedCodeError(f"the bundle of AMD code at byte {position:,} claims bytes that are not there")
    return position + max(total, _HEADER.size)


def _read_bundle(source: FileBytes, position: int, end: int, tally: Tally) -> int:
    if position + len(_PLAIN) + _NUMBER.size > end:
        raise MalformedCodeError(f"a bundle of AMD code at byte {position:,} is cut off")
    (number,) = _NUMBER.unpack(source.read(position + len(_PLAIN), _NUMBER.size))
    if number > _MOST_TARGETS:
        raise MalformedCodeError(f"the bundle of AMD code at byte {position:,} claims {number:,} targets")
    entry = after = position + len(_PLAIN) + _NUMBER.size
    for _ in range(number):
        if entry + _ENTRY.size > end:
            raise MalformedCodeError(f"a bundle of AMD code at byte {position:,} is cut off")
        offset, size, letters = _ENTRY.unpack(source.read(entry, _ENTRY.size))
        entry += _ENTRY.size
        if letters > _MOST_LETTERS or position + offset + size > end or entry + letters > end:
            raise MalformedCodeError(f"the bundle of AMD code at byte {position:,} claims bytes that are not there")
        target = _TARGET.search(source.read(entry, letters))
        if target:
            tally.look()
            tally.add_other(f"rocm:{target[1].decode()}")
        entry += letters
        after = max(after, entry, position + offset + size)
    return after

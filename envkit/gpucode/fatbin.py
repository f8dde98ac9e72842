"""Fatbin regions, which hold the code of CUDA libraries.

A region is a header and entries, one for each kernel file and architecture; an entry is a header and code, which may
be compressed. nvcc puts the regions of all source files into the section ``.nv_fatbin``, aligned to 8, and code that
is linked again at run time (``-rdc=true``) into ``__nv_relfatbin``.
"""

from __future__ import annotations

import re
from struct import Struct
from typing import TypeAlias

from envkit.gpucode.source import FileBytes, MalformedCodeError, chunks
from envkit.gpucode.tally import ARCHITECTURES, Tally
from envkit.patterns import regex

FATBIN_MAGIC = b"\x50\xed\x55\xba"  # 0xBA55ED50, little-endian

_MAGIC = regex(re.escape(FATBIN_MAGIC))
_REGION = Struct("<4sHHQ")  # magic, version, size of this header, size of the entries
_ENTRY = Struct("<HxxIQ8xHHI8xQ")  # kind, header size, code size, version (minor, major), architecture, flags
_HEAD_BYTES = _REGION.size + _ENTRY.size
_VERSION = 1
_PTX, _SASS = 1, 2
_OTHER = {4: "old-cubin", 8: "lto", 16: "relocatable", 64: "relocatable-ptx", 128: "tile-ir"}
_ACCELERATED, _FAMILY = 0x100000, 0x200000
_SUFFIXES = {0: "", _ACCELERATED: "a", _FAMILY: "f", _ACCELERATED | _FAMILY: "a"}
_PADDING_BYTES = 1 << 16  # the largest page, to which a linker may align
_MOST_ISA = 100
_Counts: TypeAlias = dict[tuple[int, int, int, int, int], int]  # by kind, architecture, suffix and version


def read_fatbin(source: FileBytes, start: int, end: int, tally: Tally) -> None:
    """Count the entries of all regions between two offsets.

    Raises:
        MalformedCodeError: There is something else between them, or a size runs over the end.
    """
    counts: _Counts = {}
    position = start
    while position < end:
        position = _read_region(source, position, end, counts, tally)
        # Aligned in the section, which itself lies anywhere in an archive.
        position = _skip_padding(source, min(end, position + (start - position) % 8), end)
    _check(counts)
    _add(counts, tally)


def find_regions(source: FileBytes, start: int, end: int, tally: Tally) -> None:
    """Count the entries of all regions anywhere between two offsets.

    cuFFT, cuBLASLt and others keep regions among their data, and a file without a table of sections does not tell
    where they are. The magic number also stands in the code of programs that read fatbins: what does not continue as a
    region is passed over.
    """
    total: _Counts = {}
    position = _find(source, start, end)
    while position < end:
        tally.look(len(total))
        counts: _Counts = {}
        try:
            after = _read_region(source, position, end, counts, tally)
            _check(counts)
        except MalformedCodeError:
            after = position + 1
        else:
            for key, number in counts.items():
                total[key] = total.get(key, 0) + number
        position = _find(source, after, end)
    _add(total, tally)


def _find(source: FileBytes, start: int, end: int) -> int:
    """Return where the next magic number is, or the end."""
    for offset, data in chunks(source, start, end, len(FATBIN_MAGIC) - 1):
        found = _MAGIC.search(data)  # twice as fast as find()
        if found:
            return offset + found.start()
    return end


def _read_region(source: FileBytes, position: int, end: int, counts: _Counts, tally: Tally) -> int:
    """Count the entries of one region; return the offset after it."""
    if position + _REGION.size > end:
        raise MalformedCodeError(f"a fatbin region at byte {position:,} is cut off")
    head = source.read(position, min(_HEAD_BYTES, end - position))  # with the first entry, mostly
    magic, version, header_size, size = _REGION.unpack_from(head)
    if magic != FATBIN_MAGIC:
        raise MalformedCodeError(f"no fatbin region at byte {position:,}, where one should begin")
    if version != _VERSION or header_size < _REGION.size:
        raise MalformedCodeError(f"the fatbin region at byte {position:,} has the unknown version {version}")
    entry: int = position + header_size
    after: int = entry + size
    if after > end:
        raise MalformedCodeError(f"the fatbin region at byte {position:,} claims {size:,} bytes, which are not there")
    tally.look()
    read, unpack, header_least = source.read, _ENTRY.unpack_from, _ENTRY.size
    while entry < after:
        if entry + header_least > after:
            raise MalformedCodeError(f"the fatbin entry at byte {entry:,} is cut off")
        at = entry - position
        if at + header_least > len(head):
            head, at, position = read(entry, header_least), 0, entry
        kind, header_size, size, minor, major, sm, flags = unpack(head, at)
        if header_size < header_least or entry + header_size + size > after:
            raise MalformedCodeError(f"the fatbin entry at byte {entry:,} claims {size:,} bytes, which are not there")
        key = (kind, sm, flags & (_ACCELERATED | _FAMILY), major, minor)
        counts[key] = counts.get(key, 0) + 1
        entry += header_size + size
        tally.look(len(counts))
    return after


def _check(counts: _Counts) -> None:
    """Refuse what no compiler writes: such bytes are something else, or damaged."""
    for kind, sm, _, major, minor in counts:
        if kind in {_SASS, _PTX} and sm not in ARCHITECTURES:
            raise MalformedCodeError(f"GPU code for architecture {sm}, which cannot be")
        if kind == _PTX and max(major, minor) >= _MOST_ISA:
            raise MalformedCodeError(f"PTX of version {major}.{minor}, which cannot be")


def _add(counts: _Counts, tally: Tally) -> None:
    for (kind, sm, suffix, major, minor), number in counts.items():
        if kind == _SASS:
            tally.add_sass(sm, _SUFFIXES[suffix], number)
        elif kind == _PTX:
            tally.add_ptx(sm, _SUFFIXES[suffix], (major, minor), number)
        else:
            tally.add_other(_OTHER.get(kind, f"kind-{kind}"), number)


def _skip_padding(source: FileBytes, position: int, end: int) -> int:
    """Return where the next region begins, or the end: the offset of the first byte that is not zero."""
    size = _REGION.size
    while position < end:
        data = source.read(position, min(size, end - position))
        rest = data.lstrip(b"\0")
        if rest or size > _PADDING_BYTES:
            return position + len(data) - len(rest)
        position += len(data)
        size *= 4
    return end

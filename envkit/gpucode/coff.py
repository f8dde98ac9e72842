"""PE and COFF: libraries, programs and object files of Windows."""

from __future__ import annotations

from struct import Struct

from envkit.gpucode.elf import Section
from envkit.gpucode.source import FileBytes, MalformedCodeError

DOS_MAGIC = b"MZ"
_PE_MAGIC = b"PE\0\0"
_PE_OFFSET = Struct("<60xI")
_COFF = Struct("<HHIIIHH")  # machine, number of sections, time, symbol table, number of symbols, optional header, flags
_BIG = Struct("<HHHH4x16x16xIII")  # 0, 0xFFFF, version, machine, number of sections, symbol table, number of symbols
BIG_CLASS = bytes.fromhex("c7a1bad1eebaa94baf20faf66aa4dcb8")  # the object files of ``cl /bigobj``
_SECTION = Struct("<8sIIII16x")  # name, size in memory, address, size in the file, offset
_SYMBOL_BYTES, _BIG_SYMBOL_BYTES = 18, 20
MACHINES = frozenset({0x8664, 0xAA64, 0x14C})
_MOST_SECTIONS = 1 << 18
_NAME_BYTES = 32


def pe_header(source: FileBytes, start: int, end: int) -> int | None:
    """Return where the header of a library or program of Windows lies; None if none begins at `start`."""
    if start + _PE_OFFSET.size > end or source.read(start, 2) != DOS_MAGIC:
        return None
    (offset,) = _PE_OFFSET.unpack(source.read(start, _PE_OFFSET.size))
    header: int = start + offset
    return header if header + 4 <= end and source.read(header, 4) == _PE_MAGIC else None


def read_pe(source: FileBytes, start: int, end: int, header: int) -> list[Section]:
    """Return the sections of a library or program; their names have eight letters.

    Raises:
        MalformedCodeError: Its table of sections runs over the end.
    """
    header += len(_PE_MAGIC)
    if header + _COFF.size > end:
        raise MalformedCodeError("a Windows library that ends in its header")
    _, number, _, _, _, optional, _ = _COFF.unpack(source.read(header, _COFF.size))
    table = header + _COFF.size + optional
    if table + number * _SECTION.size > end:
        raise MalformedCodeError("a Windows library that ends in its table of sections")
    # The size in the file is rounded up, the one in memory is not.
    return [
        Section(name.rstrip(b"\0"), start + offset, start + offset + min(size, memory or size))
        for name, memory, _, size, offset in _SECTION.iter_unpack(source.read(table, number * _SECTION.size))
    ]


def is_coff(source: FileBytes, start: int, end: int) -> bool:
    """Return whether an object file of Windows begins at an offset; it has no magic number."""
    if start + _BIG.size > end:
        return False
    head = source.read(start, _BIG.size)
    if head[12:28] == BIG_CLASS:
        return True
    machine, number, _, symbols, _, optional, _ = _COFF.unpack_from(head)
    table_end = start + _COFF.size + number * _SECTION.size
    return machine in MACHINES and not optional and number > 0 and table_end <= end and start + symbols <= end


def read_coff(source: FileBytes, start: int, end: int) -> list[Section]:
    """Return the sections of an object file.

    Raises:
        MalformedCodeError: Its table of sections runs over the end.
    """
    head = source.read(start, _BIG.size)
    if head[12:28] == BIG_CLASS:
        _, _, _, _, number, symbols, symbol_number = _BIG.unpack(head)
        table, strings = start + _BIG.size, start + symbols + symbol_number * _BIG_SYMBOL_BYTES
    else:
        _, number, _, symbols, symbol_number, _, _ = _COFF.unpack_from(head)
        table, strings = start + _COFF.size, start + symbols + symbol_number * _SYMBOL_BYTES
    if number > _MOST_SECTIONS or table + number * _SECTION.size > end:
        raise MalformedCodeError("a Windows object file that ends in its table of sections")
    return [
        Section(_long_name(source, name, strings, end), start + offset, start + offset + size)
        for name, _, _, size, offset in _SECTION.iter_unpack(source.read(table, number * _SECTION.size))
    ]


def _long_name(source: FileBytes, name: bytes, strings: int, end: int) -> bytes:
    """Return the name of a section: of a long one, the header has its place among the strings."""
    name = name.rstrip(b"\0")
    if not name.startswith(b"/") or not name[1:].isdigit():
        return name
    at = strings + int(name[1:])
    return source.read(at, min(_NAME_BYTES, end - at)).partition(b"\0")[0] if at < end else b""

"""ELF: shared libraries, executables, object files, and CUDA's own cubins."""

from __future__ import annotations

from struct import Struct

from envkit.gpucode.source import FileBytes, MalformedCodeError
from envkit.gpucode.tally import Tally
from envkit.patterns import regex
from envkit.tuples import NamedTuple

ELF_MAGIC = b"\x7fELF"
_CORE = 4  # ET_CORE: the memory of a process, which may be larger than any disk (/proc/kcore)
CUDA_MACHINE = 190  # EM_CUDA
AMD_MACHINE = 224  # EM_AMDGPU
_WITHOUT_BYTES = frozenset({0, 8})  # SHT_NULL, SHT_NOBITS
_EXTENDED = 0xFFFF  # SHN_XINDEX
_MOST_SECTIONS = 1 << 18
_MOST_NAME_BYTES = 1 << 26
_NAME_BYTES = 32
_HEADER_BYTES = 52  # 64 in a file of 64 bits
_COMPUTE = regex(rb"\b(?:sm|compute)_(\d{2,3})([af]?)\b")
_NOTE_BYTES = 4096
_FIRST_ACCELERATED = 90
_OLD_ABI = 7  # of cubins: 8 since CUDA 12.8, for some architectures


# Beginnings of the names of sections that may hold GPU code, or tell of it.
_WANTED = (
    b".nv_fatb", b"__nv_rel", b".hip_fat", b".cask_re", b".ldata", b".lrodata", b".rodata\0", b".data\0",
    b".data.rel.ro\0", b".note.nv.tkinfo",
)  # fmt: skip
_CUT_OFF = "an ELF file whose table of sections lies beyond its end: is it cut off?"


class Section(NamedTuple):
    """A section of a file: its name, and where its bytes lie in the whole file."""

    name: bytes
    start: int
    end: int


class _Layout(NamedTuple):
    header: Struct  # type, machine, version, table of sections, flags, size and number of its entries, names
    section: Struct  # name, type, offset, size, link


def _layouts() -> dict[tuple[int, int], _Layout]:
    layouts = {}
    for data, order in ((1, "<"), (2, ">")):
        layouts[2, data] = _Layout(Struct(order + "HHI8x8xQI2x4xHHH"), Struct(order + "II8x8xQQI20x"))
        layouts[1, data] = _Layout(Struct(order + "HHI4x4xII2x4xHHH"), Struct(order + "II4x4xIII12x"))
    return layouts


_LAYOUTS = _layouts()


class ElfFile(NamedTuple):
    """The header of an ELF file.

    Attributes:
        machine: Architecture that its code is for.
        abi: ABI version.
        flags: Flags, whose meaning belongs to the machine.
        sections: Those that may hold GPU code; None if it has no table of sections, as after ``sstrip``.
    """

    machine: int
    abi: int
    flags: int
    sections: list[Section] | None


def read_elf(source: FileBytes, start: int, end: int) -> ElfFile:
    """Read the header and the sections of an ELF file that lies between two offsets.

    Raises:
        MalformedCodeError: It is cut off, or its table of sections is not where it says.
    """
    if end - start < _HEADER_BYTES:
        raise MalformedCodeError("an ELF file that ends in its header")
    head = source.read(start, min(_HEADER_BYTES + 12, end - start))
    layout = _LAYOUTS.get((head[4], head[5]))
    if layout is None:
        raise MalformedCodeError("an ELF file that is neither of 32 nor of 64 bits")
    if 16 + layout.header.size > len(head):
        raise MalformedCodeError("an ELF file that ends in its header")
    kind, machine, _, table, flags, entry_size, number, names = layout.header.unpack_from(head, 16)
    sections = None
    if table:
        if entry_size < layout.section.size or start + table + entry_size > end:
            raise MalformedCodeError(_CUT_OFF)
        _, _, _, size, link = layout.section.unpack(source.read(start + table, layout.section.size))
        number, names = number or size, link if names == _EXTENDED else names
        if number > _MOST_SECTIONS or start + table + number * entry_size > end:
            raise MalformedCodeError(_CUT_OFF)
        if number and names:
            entries = source.read(start + table, number * entry_size)
            if entry_size == layout.section.size:
                rows = list(layout.section.iter_unpack(entries))
            else:
                rows = [layout.section.unpack_from(entries, at) for at in range(0, len(entries), entry_size)]
            sections = _named(source, rows, (start, end), names)
    return ElfFile(machine, head[8], flags, [] if kind == _CORE else sections)


def _named(
    source: FileBytes, rows: list[tuple[int, int, int, int, int]], within: tuple[int, int], names: int
) -> list[Section]:
    start, end = within
    if names >= len(rows):
        raise MalformedCodeError("an ELF file without the names of its sections")
    _, _, offset, size, _ = rows[names]
    if start + offset + size > end or size > _MOST_NAME_BYTES:
        raise MalformedCodeError(_CUT_OFF)
    strings = source.read(start + offset, size)
    return [
        Section(strings[name : name + _NAME_BYTES].partition(b"\0")[0], start + offset, start + offset + size)
        for name, kind, offset, size, _ in rows
        # An object file may have a hundred thousand sections.
        if strings.startswith(_WANTED, name) and kind not in _WITHOUT_BYTES and size
    ]


def read_cubin(source: FileBytes, file: ElfFile, tally: Tally) -> None:
    """Count a cubin, whose architecture stands in the flags of its header.

    The suffix stands there as well (CUDA 12), or in the command that the compiler notes in ``.note.nv.tkinfo``.
    """
    if file.abi > _OLD_ABI:
        sm, accelerated = file.flags >> 8 & 0xFF, bool(file.flags & 0x8)
    else:
        sm = file.flags & 0xFF
        accelerated = bool(file.flags & 0x800) and sm >= _FIRST_ACCELERATED  # before, the flag meant something else
    notes = [section for section in file.sections or () if section.name == b".note.nv.tkinfo"][:1]
    note = b"".join(source.read(start, min(end - start, _NOTE_BYTES)) for _, start, end in notes)
    noted = {match[2].decode() for match in _COMPUTE.finditer(note) if int(match[1]) == sm}
    tally.look()
    tally.add_sass(sm, "a" if accelerated or "a" in noted else "f" if "f" in noted else "")

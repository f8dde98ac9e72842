"""Reading one file, whatever its kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from envkit.gpucode.archive import AR_MAGICS, archive_members
from envkit.gpucode.coff import is_coff, pe_header, read_coff, read_pe
from envkit.gpucode.elf import AMD_MACHINE, CUDA_MACHINE, ELF_MAGIC, Section, read_cubin, read_elf
from envkit.gpucode.fatbin import FATBIN_MAGIC, find_regions, read_fatbin
from envkit.gpucode.ptx import read_ptx
from envkit.gpucode.rocm import BUNDLE_MAGICS, read_bundles
from envkit.gpucode.source import FileBytes, MalformedCodeError
from envkit.gpucode.tally import Tally
from envkit.models.gpucode import GpuLibrary

# Windows keeps eight letters of a name in a library, all of it in an object file.
_READERS: dict[bytes, Callable[[FileBytes, int, int, Tally], None]] = {
    **dict.fromkeys((b".nv_fatbin", b"__nv_relfatbin", b".nv_fatb", b"__nv_rel"), read_fatbin),
    # Data of the large code model: cuFFT 12 keeps all its kernels there, and loads them by itself.
    **dict.fromkeys((b".ldata", b".lrodata"), find_regions),
    **dict.fromkeys((b".hip_fatbin", b".hip_fat"), read_bundles),
}
_HEAD_BYTES = 32
_MACHO_MAGICS = (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe")


def read_gpu_code(source: FileBytes, path: str) -> GpuLibrary | None:
    """Return the GPU code that a file holds; None if it is of no kind that can hold any.

    ELF and PE libraries, programs, object files and archives of them, and bare fatbins, cubins and PTX texts are read.

    Args:
        source: The file.
        path: Its name in the answer.

    Raises:
        MalformedCodeError: The file contradicts itself or is cut off.
    """
    tally = Tally()
    if not _read(source, 0, source.size, tally):
        return None
    return tally.library(path, source.size)


def _read(source: FileBytes, start: int, end: int, tally: Tally, *, is_member: bool = False) -> bool:
    head = source.read(start, min(_HEAD_BYTES, end - start))
    if head.startswith(ELF_MAGIC):
        _read_elf(source, start, end, tally)
    elif head.startswith(FATBIN_MAGIC):
        read_fatbin(source, start, end, tally)
    elif (header := pe_header(source, start, end)) is not None:
        _read_sections(source, read_pe(source, start, end, header), (start, end), tally)
    elif is_coff(source, start, end):
        _read_sections(source, read_coff(source, start, end), (start, end), tally)
    elif head.startswith(BUNDLE_MAGICS):
        read_bundles(source, start, end, tally)
    elif is_member:
        return False  # of an archive: its table of symbols, an import, or an archive again
    elif head.startswith(AR_MAGICS):
        for member in archive_members(source, start, end):
            tally.look()
            _read(source, *member, tally, is_member=True)
    else:
        return head.startswith(_MACHO_MAGICS) or read_ptx(source, tally)
    return True


def _read_elf(source: FileBytes, start: int, end: int, tally: Tally) -> None:
    file = read_elf(source, start, end)
    if file.machine == CUDA_MACHINE:
        read_cubin(source, file, tally)
    elif file.machine == AMD_MACHINE:
        tally.add_other("rocm")
    elif file.sections is not None:
        _read_sections(source, file.sections, (start, end), tally)
    else:
        find_regions(source, start, end, tally)


def _read_sections(source: FileBytes, sections: Iterable[Section], within: tuple[int, int], tally: Tally) -> None:
    start, end = within
    left = end - start
    for section in sections:
        reader = _READERS.get(section.name)
        if reader is None:
            continue
        name = section.name.decode()
        if section.end > end:
            raise MalformedCodeError(f"the section {name} lies beyond the end of the file: is it cut off?")
        left -= section.end - section.start
        if left < 0:  # else a hostile table could have the same bytes read again and again
            raise MalformedCodeError(f"the section {name} overlaps others")
        reader(source, section.start, section.end, tally)

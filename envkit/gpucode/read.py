"""Reading one file, whatever its kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from envkit.gpucode.archive import AR_MAGICS, archive_members
from envkit.gpucode.coff import BIG_CLASS, DOS_MAGIC, MACHINES, is_coff, pe_header, read_coff, read_pe
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
    **dict.fromkeys((b".hip_fatbin", b".hip_fat"), read_bundles),
}
# Where NVIDIA's own libraries keep more: cuBLASLt and cuDNN in the first, cuFFT 12 all its kernels in data of the large
# code model.
_EXTRA_SECTIONS = frozenset({b".cask_resource", b".cask_re", b".ldata", b".lrodata"})
# Searched in libraries with any of the others: cuSPARSE keeps kernels among its data.
_DATA_SECTIONS = frozenset({b".rodata", b".data", b".data.rel.ro", b".rdata"})
_HEAD_BYTES = 32
_MOST_SEARCHED = 1 << 34
_COFF_MAGICS = tuple(machine.to_bytes(2, "little") for machine in MACHINES)
_MAGICS = (ELF_MAGIC, FATBIN_MAGIC, DOS_MAGIC, *AR_MAGICS, *BUNDLE_MAGICS, *_COFF_MAGICS)
_PTX_BEGINNINGS = (b"//", b"/*", b".version")
_MACHO_MAGICS = (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe")


def read_gpu_code(source: FileBytes, path: str, *, nvcc_sections_only: bool = False) -> GpuLibrary | None:
    """Return the GPU code that a file holds; None if it is of no kind that can hold any.

    ELF and PE libraries, programs, object files and archives of them, and bare fatbins, cubins and PTX texts are read.

    Args:
        source: The file.
        path: Its name in the answer.
        nvcc_sections_only: Leave out code that lies among other data, as ``cuobjdump`` does.

    Raises:
        MalformedCodeError: The file contradicts itself or is cut off.
    """
    reading = _Reading(source, nvcc_sections_only=nvcc_sections_only)
    return reading.tally.library(path, source.size) if reading.read(0, source.size) else None


def begins_like_code(head: bytes) -> bool:
    """Return whether a file with these first 64 bytes, or fewer if it is shorter, may hold GPU code.

    It saves unpacking or opening others; those that it lets through may still hold none.
    """
    return head.startswith(_MAGICS) or head.lstrip().startswith(_PTX_BEGINNINGS) or head[12:28] == BIG_CLASS


class _Reading:
    """One file while it is read."""

    def __init__(self, source: FileBytes, *, nvcc_sections_only: bool) -> None:
        self.tally = Tally()
        self._source = source
        self._nvcc_sections_only = nvcc_sections_only

    def read(self, start: int, end: int, *, is_member: bool = False) -> bool:
        """Count what lies between two offsets, by how it begins; return whether its kind is known."""
        source, tally = self._source, self.tally
        head = source.read(start, min(_HEAD_BYTES, end - start))
        if head.startswith(ELF_MAGIC):
            self._read_elf(start, end)
        elif head.startswith(FATBIN_MAGIC):
            read_fatbin(source, start, end, tally)
        elif (header := pe_header(source, start, end)) is not None:
            self._read_sections(read_pe(source, start, end, header), start, end)
        elif is_coff(source, start, end):
            self._read_sections(read_coff(source, start, end), start, end)
        elif head.startswith(BUNDLE_MAGICS):
            read_bundles(source, start, end, tally)
        elif is_member:
            return False  # of an archive: its table of symbols, an import, or an archive again
        elif head.startswith(AR_MAGICS):
            for first, last in archive_members(source, start, end):
                tally.look()
                self.read(first, last, is_member=True)
        else:
            return head.startswith(_MACHO_MAGICS) or read_ptx(source, tally)
        return True

    def _read_elf(self, start: int, end: int) -> None:
        file = read_elf(self._source, start, end)
        if file.machine == CUDA_MACHINE:
            read_cubin(self._source, file, self.tally)
        elif file.machine == AMD_MACHINE:
            self.tally.add_other("rocm")
        elif file.sections is not None:
            self._read_sections(file.sections, start, end)
        elif end - start > _MOST_SEARCHED:
            raise MalformedCodeError("an ELF file without a table of sections, too large to be searched")
        else:
            find_regions(self._source, start, end, self.tally)

    def _read_sections(self, sections: Iterable[Section], start: int, end: int) -> None:
        reading = [(section, _READERS[section.name]) for section in sections if section.name in _READERS]
        if not self._nvcc_sections_only:
            extra = [section for section in sections if section.name in _EXTRA_SECTIONS]
            if reading or extra:
                extra += [section for section in sections if section.name in _DATA_SECTIONS]
            reading += [(section, find_regions) for section in extra]
        left = end - start
        for (name, first, last), reader in reading:
            if last > end:
                raise MalformedCodeError(f"the section {name.decode()} lies beyond the end of the file: is it cut off?")
            left -= last - first
            if left < 0:  # else a hostile table could have the same bytes read again and again
                raise MalformedCodeError(f"the section {name.decode()} overlaps others")
            reader(self._source, first, last, self.tally)

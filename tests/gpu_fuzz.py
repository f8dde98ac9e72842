"""Files with GPU code that lie: sound ones with bytes changed, cut, repeated and put together."""

from __future__ import annotations

import random
import struct

from gpu_files import Entry, archive, coff, elf, fatbin, library, padded, pe

ENTRIES = (Entry("8.0"), Entry("9.0a"), Entry("10.0f"), Entry("9.0", "8.3"), Entry("9.0", kind=8))
_FATBIN = fatbin(*ENTRIES)
_BUNDLE = b"__CLANG_OFFLOAD_BUNDLE__" + struct.pack("<Q", 1) + struct.pack("<QQQ", 96, 8, 38)
_BUNDLE += b"hipv4-amdgcn-amd-amdhsa--gfx90a:xnack+" + bytes(40)
_CUBIN = b"\x7fELF\x02\x01\x01A\x08".ljust(16, b"\0")
_CUBIN += struct.pack("<HHI8x8xQIHHHHHH", 2, 190, 1, 0, 0x6005A04, 64, 0, 0, 64, 0, 0)
SEEDS = (
    library(*ENTRIES),
    elf({".nv_fatbin": padded(_FATBIN, _FATBIN), "__nv_relfatbin": _FATBIN, ".ldata": _FATBIN, ".data": _FATBIN}),
    elf({".nv_fatbin": _FATBIN}, bits=32, order=">"),
    elf({".x": b"data" + _FATBIN + _FATBIN}, headers=False),
    elf({".hip_fatbin": _BUNDLE + b"CCOB" + struct.pack("<HHQQQ", 3, 1, 64, 99, 0) + bytes(40)}),
    pe({".text": b"code", ".nv_fatb": _FATBIN, ".rdata": _FATBIN}),
    coff({".text": b"code", ".nv_fatbin": _FATBIN}),
    archive([("a.o", library(*ENTRIES)), ("b.obj", coff({".nv_fatbin": _FATBIN})), ("c", b"odd")]),
    _FATBIN,
    _BUNDLE,
    _CUBIN,
    b"//\n.version 8.7\n.target sm_100a, debug\n.address_size 64\n",
)  # fmt: skip
"""Sound files of every kind."""
_ODD = (
    0,
    1,
    2,
    7,
    16,
    47,
    48,
    64,
    0x7F,
    0xFF,
    0xFFFF,
    0x10000,
    1 << 31,
    (1 << 32) - 1,
    1 << 32,
    1 << 62,
    (1 << 64) - 1,
)


def mutate(chance: random.Random, data: bytes) -> bytes:
    """Change a file in a few places."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 3, 8, 30))):
        at = chance.randrange(len(changed) + 1)
        match chance.randrange(7):
            case 0:
                changed[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                width = chance.choice((2, 4, 8))
                changed[at : at + width] = (chance.choice(_ODD) & ((1 << 8 * width) - 1)).to_bytes(width, "little")
            case 2:
                del changed[at:]
            case 3:
                del changed[at : at + chance.choice((1, 4, 8, 64))]
            case 4:
                changed[at:at] = changed[at : at + chance.choice((8, 64, 256))] * chance.choice((1, 2, 50))
            case 5:
                changed[at:at] = chance.choice(
                    (b"\x50\xed\x55\xba", b"\x50\xed\x55\xba" * 200, b"CCOB" * 200, bytes(5000))
                )
            case _:
                changed += chance.choice(SEEDS)
        if not changed or len(changed) > 1 << 20:
            break
    return bytes(changed)

"""Libraries with GPU code, written here: fatbins from entries, and ELF, PE and COFF files around them."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import zstandard

PTX, SASS, LTO = 1, 2, 8
_FLAGS = {"": 0, "a": 0x100000, "f": 0x200000}


class Entry(NamedTuple):
    """An entry of a fatbin: ``Entry("9.0a")`` is machine code, ``Entry("9.0", isa="8.3")`` is PTX."""

    arch: str
    isa: str = ""
    kind: int | None = None
    payload: bytes = b"\x28\xb5\x2f\xfd code "


def fatbin(*entries: Entry) -> bytes:
    """One region."""
    return region(b"".join(map(entry_bytes, entries)))


def region(content: bytes, *, size: int | None = None) -> bytes:
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(content) if size is None else size) + content


def entry_bytes(entry: Entry, *, size: int | None = None, header_size: int = 64) -> bytes:
    suffix = entry.arch[-1] if entry.arch[-1] in "af" else ""
    sm = int(entry.arch.removesuffix(suffix).replace(".", "")) if suffix else int(entry.arch.replace(".", ""))
    kind = entry.kind or (PTX if entry.isa else SASS)
    major, minor = map(int, (entry.isa or "1.8").split("."))
    payload = entry.payload + bytes(-len(entry.payload) % 8)
    claimed = len(payload) if size is None else size
    head = struct.pack("<HHIQIIHHI", kind, 0x101, header_size, claimed, 0, 0, minor, major, sm)
    head += struct.pack("<IIQ", 0, 0, 0x11 | _FLAGS[suffix])
    return head.ljust(64, b"\0") + payload


def library(*entries: Entry) -> bytes:
    """A shared library whose ``.nv_fatbin`` holds one region for each entry."""
    return elf({".nv_fatbin": padded(*(fatbin(entry) for entry in entries))})


def padded(*regions: bytes) -> bytes:
    return b"".join(one + bytes(-len(one) % 8) for one in regions)


def elf(sections: Mapping[str, bytes], *, bits: int = 64, order: str = "<", headers: bool = True) -> bytes:
    """An ELF file with these sections; without their table it is as ``sstrip`` leaves it."""
    names = b"\0" + b"".join(name.encode() + b"\0" for name in (*sections, ".shstrtab"))
    bodies = [*sections.values(), names]
    long = bits == 64
    head_size, row = (64, "IIQQQQIIQQ") if long else (52, "IIIIIIIIII")
    rows = [struct.pack(order + row, *[0] * 10)]
    content = bytearray()
    at = 1
    for name, body in zip((*sections, ".shstrtab"), bodies, strict=True):
        content += bytes(-len(content) % 8)
        offset = head_size + len(content)
        kind = 3 if name == ".shstrtab" else 1
        rows.append(struct.pack(order + row, at, kind, 2, 0, offset, len(body), 0, 0, 8, 0))
        at += len(name) + 1
        content += body
    content += bytes(-len(content) % 8)
    table = head_size + len(content) if headers else 0
    count = len(rows) if headers else 0
    ident = b"\x7fELF" + bytes([2 if long else 1, 1 if order == "<" else 2, 1]) + bytes(9)
    address = "Q" if long else "I"
    head = ident + struct.pack(
        f"{order}HHI{address}{address}{address}IHHHHHH",
        *(3, 62, 1, 0, 0, table, 0, head_size, 0, 0, len(rows[0]) if headers else 0, count, max(count - 1, 0)),
    )
    return bytes(head + content + (b"".join(rows) if headers else b""))


def pe(sections: Mapping[str, bytes]) -> bytes:
    """A library of Windows: sections are rounded up to 512 bytes, names cut to eight letters."""
    head = b"MZ" + bytes(58) + struct.pack("<I", 128) + bytes(64) + b"PE\0\0"
    head += struct.pack("<HHIIIHH", 0x8664, len(sections), 0, 0, 0, 240, 0x2022) + bytes(240)
    offset = -(-(len(head) + 40 * len(sections)) // 512) * 512
    rows, content = b"", b""
    for name, body in sections.items():
        size = -(-len(body) // 512) * 512
        rows += struct.pack("<8sIIII16x", name.encode()[:8], len(body), 0x1000, size, offset + len(content))
        content += body.ljust(size, b"\0")
    return (head + rows).ljust(offset, b"\0") + content


def coff(sections: Mapping[str, bytes]) -> bytes:
    """An object file of Windows: names longer than eight letters lie among the strings."""
    offset = 20 + 40 * len(sections)
    rows, content, strings = b"", b"", b""
    for name, body in sections.items():
        text = name.encode()
        if len(text) > 8:
            text, strings = b"/%d" % (4 + len(strings)), strings + text + b"\0"
        rows += struct.pack("<8sIIII16x", text, 0, 0, len(body), offset + len(content))
        content += body
    head = struct.pack("<HHIIIHH", 0x8664, len(sections), 0, offset + len(content), 0, 0, 0)
    return head + rows + content + struct.pack("<I", 4 + len(strings)) + strings


def archive(members: Sequence[tuple[str, bytes]]) -> bytes:
    """A static archive, as ``ar`` writes it."""
    content = b"!<arch>\n"
    for name, body in members:
        content += b"%-16s%-12d%-6d%-6d%-8s%-10d`\n" % (name.encode() + b"/", 0, 0, 0, b"644", len(body))
        content += body + b"\n" * (len(body) % 2)
    return content


def tar_bytes(members: Mapping[str, bytes]) -> bytes:
    """A tar of these files, and a link that leads out."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("lib/link.so")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return stream.getvalue()


def zip_bytes(members: Mapping[str, bytes]) -> bytes:
    """A zip, such as a wheel."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def conda_bytes(members: Mapping[str, bytes]) -> bytes:
    """A .conda package (CEP 35)."""
    compress = zstandard.ZstdCompressor().compress
    info = compress(tar_bytes({"info/index.json": b"{}"}))
    package = {"metadata.json": b"{}", "pkg-x-1-0.tar.zst": compress(tar_bytes(members)), "info-x-1-0.tar.zst": info}
    return zip_bytes(package)

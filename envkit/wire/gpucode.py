"""Documents of GPU code: libraries by architecture, and what was measured of a package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from envkit.models.gpucode import Architecture, GpuLibrary, GpuPackage, PtxCode
from envkit.models.version import CudaVersion
from envkit.paths import is_plain
from envkit.patterns import regex
from envkit.wire.results import SCHEMA_VERSION, members

_DIGEST = regex(r"[0-9a-f]{64}\Z")
_DAY = regex(r"\d{4}-\d\d-\d\d\Z")
_TEXTS = ("name", "version", "build", "fn", "sha256", "measured")


def library_json(library: GpuLibrary) -> dict[str, Any]:
    """Return the GPU code of one file."""
    return {
        **members(library, "path", "size"),
        "sass": {str(arch): count for arch, count in library.sass.items()},
        "ptx": {str(arch): {"count": found.entries, "isa": str(found.isa)} for arch, found in library.ptx.items()},
        "other": dict(library.other),
    }


def package_json(package: GpuPackage) -> dict[str, Any]:
    """Return what was measured of a package."""
    libraries = [library_json(library) for library in package.libraries]
    return {"schema_version": SCHEMA_VERSION, **members(package, *_TEXTS), "libraries": libraries}


def package_from_json(document: object) -> GpuPackage:
    """Read what `package_json` wrote.

    Raises:
        ValueError: It is not such a document, or one of another schema.
    """
    if not isinstance(document, Mapping) or document.get("schema_version") != SCHEMA_VERSION:
        raise ValueError("not a measurement of this schema")
    texts = {name: _text(document.get(name)) for name in _TEXTS}
    if not _DIGEST.match(texts["sha256"]) or not _DAY.match(texts["measured"]):
        raise ValueError("a measurement without a digest or a day")
    return GpuPackage(**texts, libraries=tuple(map(_library, _list(document.get("libraries")))))


def _library(document: object) -> GpuLibrary:
    library = _mapping(document)
    return GpuLibrary(
        path=_text(library.get("path")),
        size=_count(library.get("size")),
        sass={Architecture.parse(arch): _count(count) for arch, count in _mapping(library.get("sass")).items()},
        ptx={Architecture.parse(arch): _ptx(found) for arch, found in _mapping(library.get("ptx")).items()},
        other={_text(kind): _count(count) for kind, count in _mapping(library.get("other")).items()},
    )


def _ptx(document: object) -> PtxCode:
    found = _mapping(document)
    return PtxCode(_count(found.get("count")), CudaVersion.parse(_text(found.get("isa"))))


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise ValueError(f"not a table: {value!r}")  # noqa: TRY004 - a document may hold anything: one error for all
    return value


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise ValueError(f"not a list: {value!r}")  # noqa: TRY004 - as above
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or not is_plain(value):
        raise ValueError(f"not a plain text: {value!r}")
    return value


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"not a number of entries: {value!r}")
    return value

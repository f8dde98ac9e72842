"""The page of ``envkit inspect --html``: every library by every architecture."""

from __future__ import annotations

from collections.abc import Sequence

from envkit.cuda.architectures import runs_sass
from envkit.cuda.coverage import main_sass
from envkit.cuda.gpus import gpus_of
from envkit.cuda.ptx import cuda_of_isa
from envkit.models.build import Tier
from envkit.models.gpucode import Architecture, GpuLibrary
from envkit.models.inspection import Inspection
from envkit.pages.frame import render_page
from envkit.tuples import NamedTuple
from envkit.words.say import say
from envkit.words.values import join, size_words, target_words

_BADGES = {Tier.NATIVE: "pass", Tier.JIT: "warn", Tier.NO: "fail"}


class _Row(NamedTuple):
    path: str
    cells: tuple[tuple[str, int], ...]
    ptx: str
    other: str


def inspection_page(result: Inspection, *, created: str) -> str:
    """Return the page: verdict, libraries by package, what could not be read."""
    size = size_words(sum(library.size for library in result.libraries))
    return render_page(
        "inspection.html",
        title=f"GPU code of {result.what}",
        created=created,
        result=result,
        summary=f"{len(result.libraries)} files with GPU code, {size}. Numbers are entries of machine code.",
        target=target_words(result.target) if result.target is not None else None,
        verdicts=[
            (_BADGES.get(v.tier, "skip"), v.tier.value, v.package, "; ".join(map(say, v.reasons)))
            for v in result.verdicts
        ],
        packages=[
            (f"{package.name} {package.version}".strip() or "Libraries", *_matrix(package.libraries, result))
            for package in result.packages
        ],
    )


def _matrix(libraries: Sequence[GpuLibrary], result: Inspection) -> tuple[list[str], list[_Row]]:
    """Return the names of architectures, and a row for each library."""
    columns = sorted({arch for library in libraries for arch in library.sass})
    heads = [f"{arch} {join(gpus_of(arch.capability)[:1])}".strip() for arch in columns]
    return heads, [_row(library, columns, result) for library in libraries]


def _row(library: GpuLibrary, columns: Sequence[Architecture], result: Inspection) -> _Row:
    usual = main_sass(library)
    return _Row(
        str(library.path),
        tuple(_cell(library, arch, result, usual=arch in usual) for arch in columns),
        join([f"{arch} (CUDA {cuda_of_isa(code.isa)})" for arch, code in library.ptx.items()]),
        join([f"{kind} {number}" for kind, number in library.other.items()]),
    )


def _cell(library: GpuLibrary, arch: Architecture, result: Inspection, *, usual: bool) -> tuple[str, int]:
    """Return how a number is shown, and the number."""
    number = library.sass.get(arch, 0)
    gpus = result.target.gpus if result.target else ()
    runs = number and any(runs_sass(arch, gpu) for gpu in gpus)
    return ("ok" if usual else "few") if runs else "" if usual else "dim", number

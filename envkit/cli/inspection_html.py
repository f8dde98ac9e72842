"""An inspection as one HTML page: every library by every architecture."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone

from envkit.cli.page import badge, grid, page, section, text, text_grid
from envkit.cuda.architectures import runs_sass
from envkit.cuda.coverage import main_sass
from envkit.cuda.gpus import gpus_of
from envkit.cuda.ptx import cuda_of_isa
from envkit.models.build import Tier
from envkit.models.gpucode import Architecture, GpuLibrary
from envkit.models.inspection import Inspection
from envkit.words.say import say
from envkit.words.values import join, size_words, target_words

_BADGES = {Tier.NATIVE: "pass", Tier.JIT: "warn", Tier.NO: "fail"}


def render_inspection_html(result: Inspection) -> str:
    """Return the page: verdict, libraries by package, what could not be read."""
    size = size_words(sum(library.size for library in result.libraries))
    parts = [
        f"<h1>{text(result.what)}</h1>",
        f"<p>{len(result.libraries)} files with GPU code, {text(size)}. Numbers are entries of machine code.</p>",
    ]
    if result.target is not None:
        rows = [
            f"<td>{badge(_BADGES.get(verdict.tier, 'skip'), verdict.tier.value)}</td><td>{text(verdict.package)}</td>"
            f"<td>{text('; '.join(say(reason) for reason in verdict.reasons))}</td>"
            for verdict in result.verdicts
        ]
        parts.append(section(f"For {target_words(result.target)}", grid(("", "package", "why"), rows)))
    for package in result.packages:
        title = f"{package.name} {package.version}".strip() or "Libraries"
        parts.append(section(title, _matrix(package.libraries, result)))
    if result.unreadable:
        parts.append(section("Not readable", text_grid(("file", "why"), result.unreadable)))
    created = datetime.now(tz=timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    return page(f"GPU code of {result.what}", parts, created)


def _matrix(libraries: Iterable[GpuLibrary], result: Inspection) -> str:
    held = list(libraries)
    columns = sorted({arch for library in held for arch in library.sass})
    heads = [f"{arch} {join(gpus_of(arch.capability)[:1])}".strip() for arch in columns]
    rows = []
    for library in held:
        usual = main_sass(library)
        cells = [_cell(library, arch, result, usual=arch in usual) for arch in columns]
        ptx = [f"{arch} (CUDA {cuda_of_isa(code.isa)})" for arch, code in library.ptx.items()]
        other = [f"{kind} {number}" for kind, number in library.other.items()]
        row = [f"<td>{text(library.path)}</td>", *cells, f"<td>{text(join(ptx))}</td>", f"<td>{text(join(other))}</td>"]
        rows.append("".join(row))
    return grid(("library", *heads, "PTX (driver)", "other"), rows)


def _cell(library: GpuLibrary, arch: Architecture, result: Inspection, *, usual: bool) -> str:
    number = library.sass.get(arch, 0)
    gpus = result.target.gpus if result.target else ()
    runs = number and any(runs_sass(arch, gpu) for gpu in gpus)
    style = ("ok" if usual else "few") if runs else "" if usual else "dim"
    return f'<td class="n {style}">{number or ""}</td>'

"""The GPU code of an inspection as a table: libraries or packages by architecture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from envkit.cli.ink import Text, joined
from envkit.cli.output import TIER_STYLE, Console, console, labelled, literal, mark, table
from envkit.cli.tables import Table
from envkit.cuda.architectures import runs_sass
from envkit.cuda.coverage import main_sass
from envkit.cuda.gpus import gpus_of
from envkit.cuda.ptx import cuda_of_isa
from envkit.models.build import Tier
from envkit.models.codes.reasons import LIBRARY_WITHOUT_CODE
from envkit.models.fact import Reason
from envkit.models.gpucode import Architecture, GpuLibrary, GpuPackage, PtxCode
from envkit.models.inspection import Inspection, PackageVerdict
from envkit.models.version import ComputeCapability
from envkit.tuples import NamedTuple
from envkit.words.say import say
from envkit.words.values import join, size_words, target_words

_MOST_NAMES = 8
_MOST_REASONS = 5
_NO_IMAGE = "no kernel image is available for execution on the device"


class _Code(NamedTuple):
    """Machine code for one architecture.

    Attributes:
        text: How much.
        usual: Whether it is as much as of others.
        runs: Whether a GPU of the target runs it.
    """

    text: str
    usual: bool
    runs: bool


class _Row(NamedTuple):
    """A library, or a package with several.

    Attributes:
        name: Its name.
        tier: How it runs on the target; None without one.
        cells: Its machine code by architecture.
        ptx: Its PTX.
        other: Its entries of other kinds.
    """

    name: str
    tier: Tier | None
    cells: Mapping[ComputeCapability, _Code]
    ptx: str
    other: str


def render_inspection(result: Inspection, *, everything: bool) -> None:
    """Print the libraries of a file or package; the packages of a folder, unless `everything`."""
    out = console()
    libraries = result.libraries
    count = f"{len(libraries)} {'file' if len(libraries) == 1 else 'files'} with GPU code"
    size = size_words(sum(library.size for library in libraries))
    name = result.what if result.kind == "prefix" else _base(result.what)
    out.print(mark("[bold]{}[/bold]  {}", name, f"{count}, {size}" if libraries else "no GPU code"))
    if result.target is not None:
        out.print(literal(f"for {target_words(result.target)}"))
    render_code(out, result, by_package=result.kind == "prefix" and not everything and len(result.packages) > 1)
    lines = _verdict_lines(result) + [
        ("unreadable", "red", f"{path}: {why}") for path, why in result.unreadable[:_MOST_NAMES]
    ]
    if len(result.unreadable) > _MOST_NAMES:
        lines.append(("", "", f"and {len(result.unreadable) - _MOST_NAMES} more: --json has all"))
    if lines:
        out.print(labelled(*lines))


def render_code(out: Console, result: Inspection, *, by_package: bool) -> None:
    """Print libraries, or packages, by architecture."""
    rows = _package_rows(result) if by_package else _library_rows(result)
    if rows:
        out.print(_fitting(out, rows, head="package" if by_package else "library"))
        out.print(literal(_legend(rows, by_package=by_package), "dim"))


def _library_rows(result: Inspection) -> list[_Row]:
    tiers = dict(result.tiers)
    names = Counter(_base(library.path) for library in result.libraries)
    rows = []
    for library in result.libraries:
        usual, running = {arch.capability for arch in main_sass(library)}, _running(library, result)
        cells = {c: _Code(_entries(library, c), c in usual, c in running) for c in _capabilities(library.sass)}
        name = _base(library.path) if names[_base(library.path)] == 1 else library.path
        rows.append(_Row(name, tiers.get(library.path), cells, _ptx_words([library]), _other_words([library])))
    return rows


def _capabilities(architectures: Iterable[Architecture]) -> set[ComputeCapability]:
    return {arch.capability for arch in architectures}


def _running(library: GpuLibrary, result: Inspection) -> set[ComputeCapability]:
    """Return the architectures of a library whose code some GPU of the target runs."""
    gpus = result.target.gpus if result.target else ()
    return _capabilities(arch for arch in library.sass if any(runs_sass(arch, gpu) for gpu in gpus))


def _base(path: str) -> str:
    return path.rstrip("/").rsplit("/", 1)[-1]


def _entries(library: GpuLibrary, capability: ComputeCapability) -> str:
    """Return the number of entries of an architecture, with the suffix that all of them have."""
    found = {arch.suffix: number for arch, number in library.sass.items() if arch.capability == capability}
    suffix = "" if "" in found else "/".join(sorted(found))
    return f"{sum(found.values())}{suffix}"


def _package_rows(result: Inspection) -> list[_Row]:
    tiers = {verdict.package: verdict.tier for verdict in result.verdicts}
    rows = []
    for package in result.packages:
        libraries = package.libraries
        holding = Counter(c for library in libraries for c in _capabilities(main_sass(library)))
        running = {c for library in libraries for c in _running(library, result)}
        total = sum(1 for library in libraries if library.sass)
        cells = {
            c: _Code(str(n) if n == total else f"{n}/{total}", n == total, c in running) for c, n in holding.items()
        }
        name = _package_name(package)
        rows.append(
            _Row(name or "(no package)", tiers.get(name), cells, _ptx_words(libraries), _other_words(libraries))
        )
    return rows


def _package_name(package: GpuPackage) -> str:
    return f"{package.name} {package.version}".strip()


def _ptx_words(libraries: Iterable[GpuLibrary]) -> str:
    newest: dict[str, PtxCode] = {}
    for library in libraries:
        for arch, code in sorted(library.ptx.items()):
            if str(arch) not in newest or newest[str(arch)].isa < code.isa:
                newest[str(arch)] = code
    if not newest:
        return ""
    last = max(newest, key=lambda arch: (ComputeCapability.parse(arch.rstrip("af")), arch))
    also = f" and {len(newest) - 1} older" if len(newest) > 1 else ""
    return f"{last} (CUDA {cuda_of_isa(newest[last].isa)}){also}"


def _other_words(libraries: Iterable[GpuLibrary]) -> str:
    total = sum((Counter(library.other) for library in libraries), Counter[str]())
    return join([f"{kind} {number}" for kind, number in total.items()], most=3) if total else ""


def _fitting(out: Console, rows: Sequence[_Row], *, head: str) -> Table:
    """Return the widest view that fits: a column for each architecture, or a list of them in one."""
    matrix = _matrix(rows, head=head)
    if matrix.widest() <= out.width:
        return matrix
    with_ptx = any(row.ptx for row in rows)
    view = table(head, "machine code", *(["PTX"] if with_ptx else []))
    for row in rows:
        codes = joined(_cell(code._replace(text=str(c))) for c, code in sorted(row.cells.items()))
        view.add_row(_name(row), codes if row.cells else literal(row.other, "dim"), *([row.ptx] if with_ptx else []))
    return view


def _matrix(rows: Sequence[_Row], *, head: str) -> Table:
    columns = sorted({capability for row in rows for capability in row.cells})
    names = [str(column) for column in columns]
    ends = [("PTX (driver)", [row.ptx for row in rows]), ("other", [row.other for row in rows])]
    ends = [(name, texts) for name, texts in ends if any(texts)]
    extra = [name for name, _ in ends]
    view = table(head, *names, *extra, right=tuple(names), whole=(head, *extra))
    for number, row in enumerate(rows):
        cells = [_cell(row.cells.get(column)) for column in columns]
        view.add_row(_name(row), *cells, *(texts[number] for _, texts in ends))
    return view


def _name(row: _Row) -> Text:
    return literal(row.name, TIER_STYLE[row.tier.value] if row.tier else "")


def _cell(code: _Code | None) -> Text:
    if code is None:
        return Text(".", "dim")
    style = ("green" if code.usual else "yellow") if code.runs else ("" if code.usual else "dim")
    return Text(code.text, style)


def _legend(rows: Sequence[_Row], *, by_package: bool) -> str:
    columns = sorted({capability for row in rows for capability in row.cells})
    told = "files with machine code for an architecture" if by_package else "entries of machine code"
    names = [f"{column} {gpus_of(column)[0]}" for column in columns if gpus_of(column)]
    return "; ".join([told, *names[-_MOST_NAMES:]])


def _verdict_lines(result: Inspection) -> list[tuple[str, str, str]]:
    """Return what to think of it: what does not run, what runs with a reserve, and what runs."""
    if result.target is None:
        return []
    refusing = [verdict for verdict in result.verdicts if not verdict.tier.runs]
    lines = [_line(verdict) for verdict in refusing[:_MOST_REASONS]]
    if len(refusing) > _MOST_REASONS:
        names = [verdict.package for verdict in refusing[_MOST_REASONS:]]
        lines.append(("", "", f"nor {join(names, most=_MOST_NAMES)}"))
    if refusing:
        lines.append(("so", "red", f'CUDA answers "{_NO_IMAGE}" when such a kernel starts'))
        return lines
    lines += [_line(verdict) for verdict in result.verdicts if verdict.tier is not Tier.NATIVE]
    whole = [verdict for verdict in result.verdicts if verdict.tier is Tier.NATIVE and not _notes(verdict)]
    if len(result.verdicts) > 1 and whole:
        lines.append(
            ("native", TIER_STYLE["native"], f"machine code in {len(whole)} of {len(result.verdicts)} packages")
        )
    elif whole:
        lines.append(_line(whole[0]))
    lines += [("note", "yellow", say(note)) for verdict in result.verdicts for note in _notes(verdict)]
    if not result.verdicts and result.libraries:
        lines.append(("unknown", "yellow", "nothing here decides: what it holds is optional, or compiled at run time"))
    return lines


def _line(verdict: PackageVerdict) -> tuple[str, str, str]:
    return verdict.tier.value, TIER_STYLE[verdict.tier.value], say(verdict.reasons[0])


def _notes(verdict: PackageVerdict) -> list[Reason]:
    return [reason for reason in verdict.reasons if reason.code == LIBRARY_WITHOUT_CODE]

"""The tables, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benching.measure import Series
from benching.peers import CP, ENVKIT, MICROMAMBA, NO_BYTECODE, RATTLER, UV
from benching.results import CurveResult, Results, RowResult
from benching.rows import Goal

_COLUMNS = (MICROMAMBA, RATTLER)
_MB = 1e6


def seconds_words(seconds: float) -> str:
    """Return a time with two figures: ``0.31 s``, ``12 s``, ``4 ms``."""
    if abs(seconds) < 0.1:
        return f"{1000 * seconds:.{0 if abs(seconds) >= 0.01 else 1}f} ms"
    return f"{seconds:.2f} s" if abs(seconds) < 10 else f"{seconds:.0f} s"


def speed_table(results: Results, *, goals: bool) -> str:
    """Return a line for each row: medians of every tool, the share of micromamba's time, and how goals are met."""
    head = [
        "work",
        ENVKIT,
        MICROMAMBA,
        "bare py-rattler",
        "others",
        "envkit : micromamba",
        *(["goals"] if goals else []),
    ]
    lines = [_speed_line(row, goals=goals) for row in results.rows if row.skipped is None and row.series]
    return _table(head, lines)


def _speed_line(row: RowResult, *, goals: bool) -> list[str]:
    others = [tool for tool in row.series if tool not in {ENVKIT, *_COLUMNS, row.row.over}]
    ratio = row.ratio(MICROMAMBA)
    return [
        row.row.work + (" (more than Python alone)" if row.row.over == "python" else ""),
        *(_cell(row, tool) for tool in (ENVKIT, *_COLUMNS)),
        "; ".join(f"{_other_words(tool)} {_cell(row, tool, memory=False)}" for tool in others),
        "-" if ratio is None else f"{ratio:.2f}x",
        *(["; ".join(_goal_words(row, goal) for goal in row.row.goals)] if goals else []),
    ]


def _other_words(tool: str) -> str:
    return {CP: "`cp -al`", UV: UV, MICROMAMBA + NO_BYTECODE: "micromamba without bytecode"}.get(tool, tool)


def _cell(row: RowResult, tool: str, *, memory: bool = True) -> str:
    wall_s, series = row.wall_s(tool), row.series.get(tool)
    if series is not None and series.error:
        return "failed"
    if wall_s is None or series is None:
        return "-"
    sign = "+ " if tool == ENVKIT and row.row.over else ""
    return sign + seconds_words(wall_s) + (f", {series.peak_bytes / _MB:.0f} MB" if memory else "")


def _goal_words(row: RowResult, goal: Goal) -> str:
    value = row.value(goal)
    if goal.ratio is not None:
        wish, got = f"{goal.ratio}x {goal.against}", f"{value:.2f}x" if value is not None else ""
    elif goal.megabytes is not None:
        (
            wish,
            got,
        ) = f"{goal.megabytes:.0f} MB", f"{value:.0f} MB" if value is not None else ""
    else:
        wish, got = seconds_words(goal.seconds or 0), seconds_words(value) if value is not None else ""
    if value is None:
        return f"{wish}: not measured"
    limit = goal.ratio or goal.megabytes or goal.seconds or 0
    return f"{wish}: {'reached' if value <= limit else f'**missed** ({got})'}"


def detail_table(results: Results) -> str:
    """Return a line for each row and tool: medians, minima, processor time, memory, modules and system calls."""
    lines = []
    for row in results.rows:
        lines += [_detail_line(row.row.key, series, row.row.per) for series in row.series.values()]
    return _table(["row", "tool", "runs", "median", "least", "processor", "peak", "modules", "system calls"], lines)


def _detail_line(key: str, series: Series, per: int) -> list[str]:
    if not series.samples:
        return [key, series.tool, "0", "failed" if series.error else "-", *[""] * 5]
    costs = (series.wall_s, series.least_wall_s, series.least_cpu_s)
    return [
        *(key, series.tool, str(len(series.samples))),
        *(seconds_words(cost / per) for cost in costs),
        f"{series.peak_bytes / _MB:.0f} MB",
        "-" if series.modules is None else str(series.modules),
        "-" if series.calls is None else str(series.calls),
    ]


def growth_table(results: Results) -> str:
    """Return a line for each curve and tool: medians at each size, and exponents of the processor time."""
    lines = [
        [
            *(curve.curve.work, tool),
            " / ".join(seconds_words(curve.points[size][tool].wall_s) for size in curve.curve.sizes),
            f"{' / '.join(f'{size:,}' for size in curve.curve.sizes)} {curve.curve.of}",
            f"{curve.fitted(tool) or 0:.2f}",
            f"{curve.exponent(tool) or 0:.2f}",
            (curve.fault() or "") if tool == ENVKIT else "",
        ]
        for curve in results.curves
        for tool in curve.tools
    ]
    return _table(["work", "tool", "median", "at", "exponent", "at the end", "fault"], lines)


def notes(results: Results) -> Iterable[str]:
    """Yield a line for each row that was left out and each peer that is not here."""
    skipped: Sequence[RowResult | CurveResult] = [*results.rows, *results.curves]
    for item in skipped:
        if item.skipped is not None:
            yield f"not measured: {item.row.key if isinstance(item, RowResult) else item.curve.key}: {item.skipped}"
    for name, how in results.peers.missing.items():
        yield f"not here: {name} ({how})"


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = [head, *lines]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    marks = ["-" * width for width in widths]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in [rows[0], marks, *rows[1:]]
    )

"""Plots as SVG, written by hand: bars of the rows, and curves of growth. Colours follow a light or dark page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from benching.peers import CONDA, CP, ENVKIT, MICROMAMBA, NO_BYTECODE, PYTHON, RATTLER, UV
from benching.report import seconds_words
from benching.results import CurveResult, Results

_CLASSES = {
    ENVKIT: "a",
    MICROMAMBA: "b",
    MICROMAMBA + NO_BYTECODE: "b2",
    RATTLER: "c",
    CP: "d",
    UV: "e",
    CONDA: "f",
    PYTHON: "g",
}
_COLOURS = {  # by class: on a light page, on a dark one
    "a": ("#1a7f37", "#3fb950"),
    "b": ("#0969da", "#58a6ff"),
    "b2": ("#54aeff", "#a5d6ff"),
    "c": ("#9a6700", "#d29922"),
    "d": ("#6e7781", "#8b949e"),
    "e": ("#8250df", "#bc8cff"),
    "f": ("#cf222e", "#ff7b72"),
    "g": ("#afb8c1", "#6e7681"),
}
_LIGHT = " ".join(f".{name}{{fill:{light};stroke:{light}}}" for name, (light, _) in _COLOURS.items())
_DARK = " ".join(f".{name}{{fill:{dark};stroke:{dark}}}" for name, (_, dark) in _COLOURS.items())
_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#1f2328}.s{font-size:10px}"
    ".x{stroke:#d1d9e0;stroke-width:1;fill:none}rect,circle{stroke-width:0}polyline{fill:none!important;stroke-width:2}"
    f"{_LIGHT}@media(prefers-color-scheme:dark){{text{{fill:#f0f6fc}}.x{{stroke:#3d444d}}{_DARK}}}"
)

_WIDTH, _LABELS, _BAR, _GAP = 800, 290, 13, 9
_PANEL_WIDTH, _PANEL_HEIGHT, _PANELS = 260, 170, 3


def _svg(width: int, height: int, title: str, parts: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img">'
    return "\n".join([head, f"<title>{escape(title)}</title><style>{_STYLE}</style>", *parts, "</svg>", ""])


def _text(x: float, y: float, words: str, *, small: bool = False, anchor: str = "start") -> str:
    kind = ' class="s"' if small else ""
    return f'<text x="{x:.0f}" y="{y:.0f}"{kind} text-anchor="{anchor}">{escape(words)}</text>'


def _class(tool: str) -> str:
    return _CLASSES.get(tool, "g")


def bars(results: Results) -> str:
    """Draw the medians of each row; its longest bar has the whole width."""
    parts: list[str] = []
    y = 8
    for row in results.rows:
        costs = {tool: row.wall_s(tool) for tool in row.series if tool != row.row.over}
        known = {tool: max(cost, 0.0) for tool, cost in costs.items() if cost is not None}
        if not known:
            continue
        longest = max(*known.values(), 1e-6)
        parts.append(_text(_LABELS - 8, y + _BAR, row.row.work.replace("`", ""), anchor="end"))
        for tool, cost in known.items():
            length = max(1.0, (_WIDTH - _LABELS - 190) * cost / longest)
            parts.append(
                f'<rect class="{_class(tool)}" x="{_LABELS}" y="{y}" width="{length:.1f}" height="{_BAR - 2}"/>'
            )
            sign = "+" if tool == ENVKIT and row.row.over else ""
            parts.append(_text(_LABELS + length + 4, y + _BAR - 3, f"{tool} {sign}{seconds_words(cost)}", small=True))
            y += _BAR
        y += _GAP
    return _svg(_WIDTH, y, "Seconds for each piece of work; shorter is better", parts)


def curves(results: Results) -> str:
    """Draw a panel for each curve: processor time by size, both logarithmic."""
    whole = [curve for curve in results.curves if curve.tools]
    parts: list[str] = []
    for number, curve in enumerate(whole):
        x, y = number % _PANELS * _PANEL_WIDTH, number // _PANELS * _PANEL_HEIGHT
        parts += [f'<g transform="translate({x} {y})">', *_panel(curve), "</g>"]
    rows = -(-len(whole) // _PANELS)
    title = "Processor time by size, logarithmic; the number is the exponent between the two largest sizes"
    return _svg(_PANELS * _PANEL_WIDTH, rows * _PANEL_HEIGHT, title, parts)


def _panel(curve: CurveResult) -> list[str]:
    left, right, top, bottom = 44, _PANEL_WIDTH - 76, 26, _PANEL_HEIGHT - 28
    lines = {tool: costs for tool in curve.tools if (costs := curve.costs(tool)) is not None}
    values = [max(cost, 1e-3) for costs in lines.values() for cost in costs]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    sizes = curve.curve.sizes
    first, last = math.log(sizes[0]), math.log(sizes[-1])

    def at(size: float, cost: float) -> tuple[float, float]:
        across = (math.log(size) - first) / (last - first)
        up = (math.log10(max(cost, 1e-3)) - low) / max(1, high - low)
        return left + across * (right - left), bottom - up * (bottom - top)

    parts = [_text(left, 14, f"{curve.curve.work.replace('`', '')} by {curve.curve.of}")]
    for power in range(low, high + 1):
        _, y = at(sizes[0], 10.0**power)
        parts.append(f'<path class="x" d="M{left} {y:.0f}H{right}"/>')
        parts.append(_text(left - 4, y + 4, f"{10.0**power:g} s", small=True, anchor="end"))
    parts += [_text(at(size, 1)[0], bottom + 14, f"{size:,}", small=True, anchor="middle") for size in sizes]
    free = top
    ends = sorted(lines, key=lambda tool: -lines[tool][-1])
    for tool in ends:
        points = [at(size, cost) for size, cost in zip(sizes, lines[tool], strict=True)]
        joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline class="{_class(tool)}" points="{joined}"/>')
        free = max(free, round(points[-1][1]) + 4)
        name = {RATTLER: "rattler", MICROMAMBA: "mamba"}.get(tool, tool.split(",")[0])
        if tool != MICROMAMBA + NO_BYTECODE:
            parts.append(_text(right + 4, free, f"{name} {curve.exponent(tool) or 0:.2f}", small=True))
            free += 11
    return parts

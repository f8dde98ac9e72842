"""Draw the times as SVG: a panel for each file system, nodes and seconds logarithmic. Colours follow the page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

_COLOURS = {  # on a light page, on a dark one
    "direct": ("#cf222e", "#ff7b72"),
    "packed": ("#9a6700", "#d29922"),
    "staged, first import": ("#0969da", "#58a6ff"),
    "staged, later imports": ("#1a7f37", "#3fb950"),
}
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 400, 280, 48, 376, 30, 236
_SHOWN = (1, 4, 16, 64, 256, 1024, 4096)

Panel = Mapping[str, Sequence[float]]


def draw(panels: Mapping[str, Panel], nodes: Sequence[int]) -> str:
    """Return the plot; the seconds of each line are those of `nodes`."""
    values = [value for panel in panels.values() for line in panel.values() for value in line]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    parts = []
    for number, (name, panel) in enumerate(panels.items()):
        parts += [f'<g transform="translate({number * _WIDTH} 0)">', *_panel(name, panel, nodes, low, high), "</g>"]
    width = _WIDTH * len(panels)
    place = _LEFT
    for name in _COLOURS:
        parts.append(f'<path class="l {_class(name)}" d="M{place} {_HEIGHT - 8}h18"/>')
        parts.append(_text(place + 24, _HEIGHT - 4, name))
        place += 60 + 7 * len(name)
    light = "".join(f".{_class(name)}{{stroke:{colour}}}" for name, (colour, _) in _COLOURS.items())
    dark = "".join(f".{_class(name)}{{stroke:{colour}}}" for name, (_, colour) in _COLOURS.items())
    style = (
        "text{font:12px system-ui,sans-serif;fill:#1f2328}.g{stroke:#d1d9e0}.l{fill:none;stroke-width:2.5}"
        f"{light}@media(prefers-color-scheme:dark){{text{{fill:#f0f6fc}}.g{{stroke:#3d444d}}{dark}}}"
    )
    title = "Seconds until `import torch` has ended on every node, computed"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_HEIGHT}" width="{width}" role="img">',
            f"<title>{escape(title)}</title><style>{style}</style>",
            *parts,
            "</svg>",
            "",
        ]
    )


def _panel(name: str, panel: Panel, nodes: Sequence[int], low: int, high: int) -> list[str]:
    def at(number: float, value: float) -> tuple[float, float]:
        across = math.log(number / nodes[0]) / math.log(nodes[-1] / nodes[0])
        up = (math.log10(value) - low) / max(1, high - low)
        return _LEFT + across * (_RIGHT - _LEFT), _BOTTOM - up * (_BOTTOM - _TOP)

    parts = [_text(_LEFT, 16, f"{name}: seconds by nodes")]
    for power in range(low, high + 1):
        _, y = at(nodes[0], 10.0**power)
        parts.append(f'<path class="g" d="M{_LEFT} {y:.0f}H{_RIGHT}"/>')
        parts.append(_text(_LEFT - 6, y + 4, f"{10.0**power:g}", anchor="end"))
    parts += [_text(at(number, 1)[0], _BOTTOM + 16, f"{number:,}", anchor="middle") for number in _SHOWN]
    for line, values in panel.items():
        points = (at(number, value) for number, value in zip(nodes, values, strict=True))
        joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline class="l {_class(line)}" points="{joined}"/>')
    return parts


def _class(name: str) -> str:
    return f"k{list(_COLOURS).index(name)}"


def _text(x: float, y: float, words: str, *, anchor: str = "start") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{escape(words)}</text>'

"""Write the figures into the README, between two comments, and the plots beside this file."""

from __future__ import annotations

from pathlib import Path

from benching import plot
from benching.report import notes, speed_table
from benching.results import Results

FOLDER = Path(__file__).parent / "figures"
_BEGIN, _END = "<!-- figures: written by scripts/bench --write -->", "<!-- end of figures -->"


def put_between(text: str, figures: str) -> str:
    """Return a text with what stands between the two comments replaced.

    Raises:
        ValueError: It does not have both comments, once each, in this order.
    """
    head, begin, rest = text.partition(_BEGIN)
    _, end, tail = rest.partition(_END)
    if not begin or not end or _BEGIN in tail or _END in tail:
        raise ValueError(f"the text needs one line {_BEGIN} and, after it, one line {_END}")
    return f"{head}{_BEGIN}\n\n{figures.strip()}\n\n{_END}{tail}"


def figures_words(results: Results) -> str:
    """Return the section's text: the machine, the table, the plots, and what was left out."""
    m, versions = results.machine, results.peers.versions
    tools = ", ".join(f"{name} {version}" for name, version in versions.items() if name not in {"envkit", "cp -al"})
    machine = f"{m['processor']}, {m['cores']} cores, {m['system']}, {m['file_system']}, {m['date']}"
    head = (
        f"Medians on {machine},\nwith {tools};\n"
        "caches of packages are full, or empty where it says cold; the page cache is warm.\n"
        "Packages for one platform bring bytecode, as those of conda-build do; envkit and micromamba compile the rest."
    )
    left_out = [line for line in notes(results) if line.startswith("not measured")]
    pictures = [
        "![Seconds for each piece of work](scripts/benching/figures/speed.svg)",
        "![Processor time by records, files, environments and processes](scripts/benching/figures/growth.svg)",
        "[All figures](scripts/benching/figures/speed.json), with minima, processor time, memory and modules.",
    ]
    return "\n\n".join([head, speed_table(results, goals=False), *left_out, "\n".join(pictures)])


def write_figures(results: Results, readme: Path) -> None:
    """Write the README's section, both plots and the JSON document."""
    FOLDER.mkdir(exist_ok=True)
    text = put_between(readme.read_text(encoding="utf-8"), figures_words(results))
    (FOLDER / "speed.svg").write_text(plot.bars(results), encoding="utf-8")
    (FOLDER / "growth.svg").write_text(plot.curves(results), encoding="utf-8")
    results.write_json(FOLDER / "speed.json")
    readme.write_text(text, encoding="utf-8")

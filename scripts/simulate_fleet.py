"""Compute how long `import torch` takes on 1 to 4,096 nodes that begin at the same time.

Three ways: from the shared file system (direct), from an image on it that each node mounts (packed), from a copy on the
node's own disk (staged). Operations were counted on one machine (scripts/simulating/counts.json says how). Latencies
and limits are published ones of NFS, Lustre and a local disk (scripts/simulating/storage.py names the sources). What
many nodes do to each other is computed (scripts/simulating/queues.py). No cluster was measured.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from simulating.count import write_counts
from simulating.plot import draw
from simulating.storage import SHARED
from simulating.work import COUNTS, NODES, Counts, read_counts, ways

_ROOT = Path(__file__).parent.parent
FIGURE = _ROOT / "scripts" / "simulating" / "figures" / "import.svg"
_BEGIN, _END = "<!-- simulated, by scripts/simulate_fleet --write -->", "<!-- end of simulated -->"
_SHOWN = (1, 64, 1024, 4096)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; see the options."""
    parser = argparse.ArgumentParser(
        prog="simulate_fleet", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--svg", metavar="FILE", type=Path, help="draw the times")
    parser.add_argument("--write", action="store_true", help="write the README's figures and the plot beside this file")
    parser.add_argument("--count", action="store_true", help="count the operations again: root, strace, PyPI, minutes")
    options = parser.parse_args(arguments)
    if options.count:
        write_counts(COUNTS)
    counts = read_counts()
    sys.stdout.write(table(counts) + "\n")
    for path in [*([options.svg] if options.svg else []), *([FIGURE] if options.write else [])]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(figure(counts), encoding="utf-8")
    if options.write:
        readme = _ROOT / "README.md"
        readme.write_text(rewritten(readme.read_text(encoding="utf-8"), counts), encoding="utf-8")
    return 0


def table(counts: Counts) -> str:
    """Return the seconds as a table of Markdown, one row for each way."""
    head = ["", *(f"{number:,} {'node' if number == 1 else 'nodes'}" for number in _SHOWN)]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for storage in SHARED:
        for way, times in ways(counts, storage, NODES[-1]).items():
            cells = [_words(times[number - 1]) for number in _SHOWN]
            lines.append(f"| {storage.name}, {way} | {' | '.join(cells)} |")
    return "\n".join(lines)


def figure(counts: Counts) -> str:
    """Return the plot as SVG."""
    panels = {
        storage.name: {
            way: [times[number - 1] for number in NODES] for way, times in ways(counts, storage, NODES[-1]).items()
        }
        for storage in SHARED
    }
    return draw(panels, NODES)


def rewritten(readme: str, counts: Counts) -> str:
    """Return the README with these figures between its two comments.

    Raises:
        ValueError: The comments are not there.
    """
    work = counts.direct
    counted = (
        f"Counted ({counts.made['date']}, {counts.made['what']}): {work.lookups:,} names to look up, {work.opens:,} "
        f"files opened, {work.requests:,} reads of {work.size_bytes / 1e6:.0f} MB in all, {work.processor_s} s of "
        "processor time."
    )
    plot = f"![Seconds by nodes]({FIGURE.relative_to(_ROOT)})"
    text = "\n".join([_BEGIN, plot, "", counted, "", table(counts), _END])
    made, times = re.subn(f"{re.escape(_BEGIN)}.*?{re.escape(_END)}", lambda _: text, readme, flags=re.DOTALL)
    if times != 1:
        raise ValueError(f"README.md has no {_BEGIN}")
    return made


def _words(seconds: float) -> str:
    if seconds >= 120:
        return f"{seconds / 60:.0f} min"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"


if __name__ == "__main__":
    sys.exit(main())

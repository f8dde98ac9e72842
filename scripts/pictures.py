"""Make the README's pictures of HTML pages.

`find --html` answers out of the built-in table. `validate --html` tells what an H200 answered (`tests/real_gpu.py`), or
what a file holds that ``envkit validate NAME --json`` printed on another machine. `show --html` and `fleet report` tell
of an environment with profiles, whose PyTorch is a stand-in, and of nodes that never were. No conda channel and no GPU
is needed, but a Chromium on PATH.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from browser import Browser, Visit, missing, start
from fleets import machine, outcome
from harness import Shell, build_wheel_channel
from pools import PACKAGES, write_pool
from real_gpu import host_of, report_of

from envkit.host.wire import host_from_json
from envkit.layout.node_records import write_node_record
from envkit.layout.profiles import read_profiles
from envkit.layout.volume import Volume
from envkit.models.report import Report
from envkit.models.results import ValidateResult
from envkit.pages.validation import validation_page
from envkit.wire.results import finding_from_json

FIGURES = Path(__file__).parent / "figures"
_CASE = "collective"  # of the H200
_WIDTH = 900
_HEIGHTS = {"find": 640, "show": 900, "validate": 720, "fleet": 860}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pictures."""
    parser = argparse.ArgumentParser(prog="pictures", description=__doc__)
    parser.add_argument("--keep", metavar="DIR", type=Path, help="keep the pages there")
    parser.add_argument(
        "--report", metavar="FILE", type=Path, help="what `envkit validate NAME --json` printed; else the H200's"
    )
    options = parser.parse_args(arguments)
    if why := missing():
        sys.stderr.write(f"{why}\n")
        return 1
    with tempfile.TemporaryDirectory() as scratch:
        pages = Path(options.keep or scratch)
        pages.mkdir(parents=True, exist_ok=True)
        _write_pages(pages, Shell.below(Path(scratch)))
        report = report_page(json.loads(options.report.read_bytes())) if options.report else _h200_page(Path(scratch))
        (pages / "validate.html").write_text(report, encoding="utf-8")
        FIGURES.mkdir(exist_ok=True)
        with start(Path(scratch) / "home") as browser:
            for name in _HEIGHTS:
                _take(browser, pages / f"{name}.html", name)
    return 0


def _write_pages(pages: Path, shell: Shell) -> None:
    wheels = build_wheel_channel(shell.home / "conda-forge", ["numpy", "rich"])
    shell.publish(*PACKAGES)
    pool = write_pool(shell.home / "pool.jsonl")
    asked = ("find", "pytorch", "--driver", "535", "--gpu", "t4", "--offline")
    shell.ok(*asked, "--html", str(pages / "find.html"))
    shell.create("pytorch", "python", "numpy", "rich", name="train", args=("-c", str(wheels), "--hosts", str(pool)))
    for _ in range(2):  # a history
        shell.ok("validate", "train")
    shell.ok("show", "train", "--html", str(pages / "show.html"))
    _write_nodes(shell)
    shell.ok("fleet", "report", "-o", str(pages / "fleet.html"))
    for page in pages.glob("*.html"):
        text = page.read_text(encoding="utf-8")
        for written, real in ((shell.volume, "/data/envs"), (shell.channel, "pytorch"), (wheels, "conda-forge")):
            text = text.replace(f"file://{written}", real).replace(str(written), real)
        page.write_text(text, encoding="utf-8")


def _write_nodes(shell: Shell) -> None:
    """Write what eleven nodes left: one computes wrong, one is slow, and one did not answer."""
    main = shell.prefix("train")
    generations = {profile.name: profile.generation for profile in read_profiles(str(main))}
    old = machine("Tesla V100-SXM2-16GB", "7.0", "535.161.08", "12.2")
    new = machine("NVIDIA B200", "10.0", "580.95.05", "13.0")
    nodes = [outcome(generations["cuda11.8"], f"v{n}", old, 12.9e12 + n * 1e11) for n in (1, 2, 3, 4)]
    nodes += [outcome(generations["cuda11.8"], "v5", old, 9.1e12)]
    nodes += [outcome(generations["cuda13.0"], f"b{n}", new, 6.5e13 + n * 4e11) for n in (1, 2, 3, 4)]
    nodes += [outcome(generations["cuda13.0"], "b5", new, 6.4e13, "fail")]
    nodes += [outcome(generations["cuda13.0"], "b6", new, 0, "none")]
    for record in nodes:
        write_node_record(Volume(shell.volume), record)


def _h200_page(scratch: Path) -> str:
    report = report_of(_CASE)
    return validation_page(ValidateResult(report, host_of(scratch / "host", "normal"), report.prefix))


def report_page(document: Mapping[str, Any]) -> str:
    """Return the page of what ``validate --json`` printed."""
    host = host_from_json(document["host"])
    findings = tuple(finding_from_json(each) for each in document["findings"])
    report = Report(
        document["prefix"],
        document["fingerprint"],
        needs_gpu=document["on_gpu"],
        findings=findings,
        created=document["created"],
        seconds=document["seconds"],
    )
    return validation_page(ValidateResult(report, host, document["environment"]))


def _take(browser: Browser, page: Path, name: str) -> None:
    def look(visit: Visit) -> bytes:
        cells = visit.page.locator("button.tier.native")
        if cells.count():
            cells.first.click()
        visit.page.set_viewport_size({"width": _WIDTH, "height": _HEIGHTS[name]})
        return visit.page.screenshot()

    (FIGURES / f"{name}.png").write_bytes(browser.visit(page, look, width=_WIDTH))


if __name__ == "__main__":
    sys.exit(main())

"""Make the README's pictures of HTML pages.

`find --html` answers out of the built-in table, `validate --html` tells of a small environment that is made for it out
of PyPI wheels: no conda channel and no GPU is needed. A Chromium has to be on PATH.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from browser import Browser, Scheme, Visit, missing, start
from harness import ENVKIT, build_wheel_channel, run_program

FIGURES = Path(__file__).parent / "figures"
_WIDTH = 1000


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pictures."""
    parser = argparse.ArgumentParser(prog="pictures", description=__doc__)
    parser.add_argument("--keep", metavar="DIR", type=Path, help="keep the pages there")
    options = parser.parse_args(arguments)
    if why := missing():
        sys.stderr.write(f"{why}\n")
        return 1
    with tempfile.TemporaryDirectory() as scratch:
        pages = Path(options.keep or scratch)
        pages.mkdir(parents=True, exist_ok=True)
        _write_pages(pages, Path(scratch))
        (Path(scratch) / "home").mkdir()
        with start(Path(scratch) / "home") as browser:
            _take(browser, pages / "find.html", "find", "light")
            _take(browser, pages / "find.html", "find-dark", "dark")
            _take(browser, pages / "validate.html", "validate", "light")
    return 0


def _write_pages(pages: Path, scratch: Path) -> None:
    channel = build_wheel_channel(scratch / "channel", ["numpy"])
    volume = ["--persist", str(scratch / "envs")]
    wanted = ["python", "numpy", "-n", "train", "-c", str(channel), "--override-channels"]
    _run("find", "pytorch", "--driver", "535", "--gpu", "t4", "--offline", "--html", str(pages / "find.html"))
    _run("create", *wanted, *volume)
    for _ in range(3):  # a history
        _run("validate", "train", *volume, "--html", str(pages / "validate.html"))


def _run(*words: str) -> None:
    done = run_program([*ENVKIT, *words], env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}, timeout_s=600)
    if done.code:
        raise SystemExit(f"envkit {' '.join(words)}: {done.code}\n{done.err}")


def _take(browser: Browser, page: Path, name: str, scheme: Scheme) -> None:
    def look(visit: Visit) -> bytes:
        cells = visit.page.locator("button.tier.native")
        if cells.count():
            cells.first.click()
        return visit.page.screenshot()

    FIGURES.mkdir(exist_ok=True)
    (FIGURES / f"{name}.png").write_bytes(browser.visit(page, look, width=_WIDTH, scheme=scheme))


if __name__ == "__main__":
    sys.exit(main())

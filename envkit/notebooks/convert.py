"""Convert notebooks with nbconvert, and pages to PDF with a browser, as child processes."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from envkit.errors import HostCannotRunError, PackageNotFoundError, UsageError, ValidationFailedError
from envkit.printable import printable
from envkit.process import ChildResult, run_child

_TIME_LIMIT_S = 600.0
_TAIL = 4000
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
# Of Debian and Ubuntu; nbconvert names the first, third and fourth, and its template needs the second.
_LATEX_PACKAGES = "texlive-xetex texlive-latex-recommended texlive-fonts-recommended texlive-plain-generic pandoc"
_NO_FILE = re.compile(r"! (?:LaTeX Error: File `|I can't find file `)([^']+)'|(\S+\.(?:sty|cls)) not found")
_NOTHING = "data:text/javascript,"  # an empty script; templates load what these options name
_MAC_BROWSERS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)


def find_nbconvert(prefix: str | None) -> list[str]:
    """Return the command of nbconvert: envkit's own, that of an environment, or one on PATH.

    Args:
        prefix: The environment of the notebook; None if it is not known.

    Raises:
        PackageNotFoundError: There is none.
    """
    if find_spec("nbconvert") is not None:
        return [sys.executable, "-m", "nbconvert"]
    if prefix is not None and any(Path(prefix).glob("lib/python3*/site-packages/nbconvert/__main__.py")):
        return [str(Path(prefix, "bin", "python")), "-m", "nbconvert"]
    found = shutil.which("jupyter-nbconvert")
    if found is not None:
        return [found]
    raise PackageNotFoundError(
        "nbconvert, which converts notebooks, is not installed",
        hint="pip install 'envkit[notebook]', or put it beside the notebook's kernel: envkit install -n NAME nbconvert",
    )


def find_browser() -> str | None:
    """Return a browser that prints pages to PDF without a window; None if there is none."""
    found = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
    return found or next((path for path in _MAC_BROWSERS if os.access(path, os.X_OK)), None)


def has_latex() -> bool:
    """Return whether what nbconvert makes PDF with is installed."""
    return shutil.which("xelatex") is not None and shutil.which("pandoc") is not None


def run_nbconvert(
    command: Sequence[str],
    notebook: Path,
    kind: str,
    output: Path,
    *,
    env: Mapping[str, str],
    quiet: bool = False,
    execute: bool = False,
) -> None:
    """Convert a notebook.

    Args:
        command: As `find_nbconvert` returns it.
        notebook: The file.
        kind: A format of nbconvert.
        output: The file to write.
        env: All variables of the process.
        quiet: Make a page that loads no scripts from the network.
        execute: Run the notebook first.

    Raises:
        ValidationFailedError: A cell failed.
        PackageNotFoundError: LaTeX lacks a package.
        UsageError: The notebook cannot be converted.
    """
    words: list[str | Path] = [*command, "--to", kind, "--output-dir", output.parent, "--output", output.stem, notebook]
    if quiet:
        words += [f"--HTMLExporter.{name}={_NOTHING}" for name in ("mathjax_url", "require_js_url")]
    if execute:
        words += ["--execute", "--ExecutePreprocessor.timeout=-1"]
    ended = run_child(words, timeout_s=None if execute else _TIME_LIMIT_S, env=env, stderr_tail=_TAIL)
    if ended.state != "done" or not output.is_file():
        _refuse_latex(notebook, ended.error_text)
        what = f"nbconvert {ended.ending or 'wrote nothing'} for {notebook.name}: {_last(ended)}"
        if execute:
            raise ValidationFailedError(what, hint="Run it in JupyterLab, where the cell that failed shows why.")
        raise UsageError(what, hint="Open it in JupyterLab and save it again, if it is damaged.")


def print_pdf(browser: str, page: Path, output: Path, profile: Path) -> None:
    """Print a page to PDF.

    Args:
        browser: A browser of the Chromium family.
        profile: A folder for its own files, which is thrown away.

    Raises:
        HostCannotRunError: It failed.
    """
    words = [browser, "--headless", "--disable-gpu", "--no-first-run", "--disable-extensions"]
    words += [f"--user-data-dir={profile}", "--no-pdf-header-footer", f"--print-to-pdf={output}"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        words.append("--no-sandbox")  # Chromium refuses root with its sandbox
    ended = run_child([*words, page.as_uri()], timeout_s=_TIME_LIMIT_S, stderr_tail=_TAIL)
    if ended.state != "done" or not output.is_file():
        raise HostCannotRunError(
            f"{browser} {ended.ending or 'wrote no PDF'}: {_last(ended)}",
            hint="Export to html, and print that with a browser.",
        )


def _refuse_latex(notebook: Path, said: str) -> None:
    """Raise what LaTeX said, if it failed; it says why before the end of its log.

    Raises:
        PackageNotFoundError: It lacks a package.
        UsageError: It cannot set a formula or a character of the notebook.
    """
    lines = said.splitlines()
    number = next((number for number, line in enumerate(lines) if line.startswith("! ")), None)
    if number is None:
        return
    if missing := _NO_FILE.search("\n".join(lines[number : number + 3])):
        raise PackageNotFoundError(
            f"LaTeX has no {printable(missing[1] or missing[2])}, which nbconvert needs to make a PDF",
            hint=f"apt-get install {_LATEX_PACKAGES}; or a browser, which needs no LaTeX: apt-get install chromium",
        )
    place = next((line for line in lines[number:] if re.match(r"l\.\d+ ", line)), "").partition(" ")[2]
    raise UsageError(
        f"LaTeX cannot set {notebook.name}: {printable(lines[number][2:])} {printable(place.strip())}".rstrip(),
        hint="Correct that formula, or install a browser, which needs no LaTeX: apt-get install chromium.",
    )


def _last(ended: ChildResult) -> str:
    """Return the last line of an error output: of a traceback, its message."""
    lines = [line.strip() for line in _COLOUR.sub("", ended.error_text).splitlines() if line.strip()]
    return printable(lines[-1]) if lines else "it said nothing"

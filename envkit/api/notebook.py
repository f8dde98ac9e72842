"""notebook: write notebooks that envkit brings, and export notebooks of users."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from envkit.errors import PackageNotFoundError, UsageError, VolumeError
from envkit.kernels import find_kernel, kernel_name, shared_dir
from envkit.layout.atomic import write_atomic
from envkit.layout.contents import read_contents
from envkit.notebooks.convert import find_browser, find_nbconvert, has_latex, print_pdf, run_nbconvert
from envkit.notebooks.document import notebook_text
from envkit.notebooks.mathml import can_convert, with_mathml
from envkit.notebooks.source import FRAMEWORKS, cells_for
from envkit.probe import PROBES_DIR
from envkit.recipes import load_notebook
from envkit.values import dataclass
from envkit.words.values import join

KINDS = {"py": "python", "html": "html", "pdf": "pdf"}
"""Formats that a notebook is exported to, and nbconvert's names for them."""

_PRINTED = "pre { white-space: pre-wrap !important; overflow-wrap: anywhere }"
_LAST_LATIN = "\u024f"
_LETTERS = 8
_SCRIPT_HEAD = "#!/usr/bin/env python\n# coding: utf-8"  # of nbconvert's scripts


@dataclass(frozen=True, slots=True)
class NewNotebook:
    """A notebook that was written.

    Attributes:
        path: The file.
        recipe: The recipe that it belongs to.
        framework: The framework that its code is for.
        kernel: Name of its kernel in Jupyter.
        environment: Name of the environment that it starts in, if that is known.
        notes: What is missing to run it, with the cure.
    """

    path: str
    recipe: str
    framework: str
    kernel: str
    environment: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ExportedNotebook:
    """A file that a notebook was exported to.

    Attributes:
        path: The file.
        kind: ``py``, ``html`` or ``pdf``.
        notes: What a reader should know of it.
    """

    path: str
    kind: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Home:
    """The environment that a notebook is for: its prefix, and the volume and name where envkit made it."""

    prefix: str
    volume: str | None = None
    name: str | None = None


def new_notebook(
    recipe: str, output: Path | None, *, framework: str | None = None, home: Home | None = None, force: bool = False
) -> NewNotebook:
    """Write the notebook of a recipe.

    Args:
        recipe: The recipe.
        output: The file; None for ``RECIPE.ipynb`` in the current directory.
        framework: The framework of its code; None for the first that the environment has, or PyTorch without one.
        home: The environment that it is for.
        force: Replace a file that is there.

    Raises:
        RecipeError: There is no such recipe, or it has no notebook.
        UsageError: The framework is not known, or another file is there.
        VolumeError: The file cannot be written.
    """
    if framework is not None and framework not in FRAMEWORKS:
        raise UsageError(f"--framework {framework!r} is not known", hint=f"One of {', '.join(FRAMEWORKS)}.")
    source = load_notebook(recipe)
    there = _frameworks(Path(home.prefix)) if home is not None else ("pytorch",)
    chosen = framework or next((each for each in FRAMEWORKS if each in there), "numpy")
    exercises = (PROBES_DIR / "exercises.py").read_text(encoding="utf-8")
    kernel = kernel_name(home.name) if home is not None and home.name else "python3"
    known = find_kernel(home.volume, home.name, os.environ) if home is not None and home.volume and home.name else None
    shown = known.display_name if known is not None else (home and home.name) or "Python 3"
    text = notebook_text(cells_for(source, chosen, exercises), kernel=kernel, shown=shown)
    path = output if output is not None else Path(f"{recipe}.ipynb")
    if path.exists() and not force and path.read_bytes() != text.encode():
        raise UsageError(f"{path} is there already", hint="Name another file with -o FILE, or replace it with --force.")
    try:
        write_atomic(path, text)
    except OSError as error:
        raise VolumeError(f"{path} cannot be written: {error.strerror}", hint="Name another file: -o FILE.") from error
    name = home.name if home is not None else None
    notes = _missing(home, chosen, there, registered=known is not None) if home is not None else ()
    return NewNotebook(str(path), recipe, chosen, kernel, name, tuple(notes))


def export_notebook(
    path: Path,
    kind: str,
    output: Path | None,
    *,
    home: Home | None = None,
    execute: bool = False,
    volumes: Sequence[str] = (),
) -> ExportedNotebook:
    """Export a notebook as a script, a page or a PDF, with nbconvert.

    Formulas of pages become MathML, so that a page loads nothing, where ``envkit[notebook]`` is installed.

    Args:
        path: The notebook.
        kind: One of `KINDS`.
        output: The file to write; None for the notebook's name with another suffix.
        home: The environment whose nbconvert is used where envkit has none.
        execute: Run it first, in its kernel.
        volumes: Volumes whose shared kernels it may run in.

    Raises:
        UsageError: The file is no notebook, or the target is somebody's own script.
        PackageNotFoundError: nbconvert is missing, or what makes a PDF.
        ValidationFailedError: A cell failed.
        HostCannotRunError: The browser failed.
    """
    if kind not in KINDS:
        raise UsageError(f"--to {kind!r} is not known", hint=f"One of {', '.join(KINDS)}.")
    _read(path)
    target = output if output is not None else path.with_suffix(f".{kind}")
    if kind == "py" and target.exists() and not _is_export(target):
        raise UsageError(f"{target} is there and was not exported from a notebook", hint="Name another file: -o FILE.")
    command = find_nbconvert(home.prefix if home is not None else None)
    browser = find_browser() if kind == "pdf" else None
    if kind == "pdf" and browser is None and not has_latex():
        raise PackageNotFoundError(
            "nothing here can make a PDF: no Chromium, Chrome or Edge, and no xelatex with pandoc",
            hint=f"apt-get install chromium; or a page, which every browser prints: envkit notebook export {path} "
            "--to html",
        )
    notes: tuple[str, ...] = ()
    with tempfile.TemporaryDirectory(prefix="envkit-notebook-") as temporary:
        folder, env = Path(temporary), _environ(volumes)
        source = path
        if execute:  # where it lies, so that its cells find the files beside it
            source = folder / "executed" / path.name
            source.parent.mkdir()
            run_nbconvert(command, path, "notebook", source, env=env, execute=True)
        made = folder / f"{path.stem}.{kind}"  # pages have its name as their title
        if kind == "html" or browser is not None:
            page = folder / f"{path.stem}.html"
            notes = _make_page(command, _read(source), page, env)
            if browser is not None:
                _fit_for_print(page, path)
                print_pdf(browser, page, made, folder / "profile")
        else:
            run_nbconvert(command, source, KINDS[kind], made, env=env)
            notes = _latex_notes(source) if kind == "pdf" else ()
        try:
            _publish(made, target)
        except OSError as error:
            hint = "Name another file: -o FILE."
            raise VolumeError(f"{target} cannot be written: {error.strerror}", hint=hint) from error
    return ExportedNotebook(str(target), kind, notes)


def _make_page(command: Sequence[str], notebook: dict[str, Any], page: Path, env: dict[str, str]) -> tuple[str, ...]:
    """Write a page of a notebook; return what a reader should know of it."""
    if not can_convert() or notebook["nbformat"] < 4:
        notes: tuple[str, ...] = (
            "formulas are drawn by MathJax, from the network; pip install 'envkit[notebook]' does without",
        )
        quiet = False
    else:
        notebook, failed = with_mathml(notebook)
        quiet = not failed and not _needs_require(notebook)
        many = f"formulas that MathJax draws, from the network, because they are no MathML: {failed}"
        notes = (many,) if failed else ()
    copy = page.with_suffix(".ipynb")
    copy.write_text(json.dumps(notebook), encoding="utf-8")
    run_nbconvert(command, copy, "html", page, env=env, quiet=quiet)
    return notes


def _latex_notes(path: Path) -> tuple[str, ...]:
    """Return what LaTeX leaves out in silence: its font, Latin Modern, has no letters of other scripts."""
    cells = [cell for cell in _read(path).get("cells", ()) if isinstance(cell, dict)]
    letters = sorted({one for one in json.dumps(cells, ensure_ascii=False) if one > _LAST_LATIN and one.isalpha()})
    if not letters:
        return ()
    told = join(letters, most=_LETTERS)
    return (f"made by xelatex, whose font lacks {told}: a browser has them all (apt-get install chromium)",)


def _fit_for_print(page: Path, notebook: Path) -> None:
    """Let a page find the images that lie beside its notebook, and break lines that paper is too narrow for."""
    text = page.read_text(encoding="utf-8")
    head = f'<head><base href="{notebook.absolute().parent.as_uri()}/"><style>{_PRINTED}</style>'
    page.write_text(text.replace("<head>", head, 1), encoding="utf-8")


def _frameworks(prefix: Path) -> tuple[str, ...]:
    contents = read_contents(prefix, (), None)
    return (*(row.key for row in contents.frameworks), *contents.modules)


def _missing(home: Home, framework: str, there: Sequence[str], *, registered: bool) -> list[str]:
    """Return what the environment lacks to run the notebook, with the cure."""
    named = f"-n {home.name}" if home.name else f"-p {home.prefix}"
    lacking = [] if framework in there else [framework]
    if not any(Path(home.prefix).glob("lib/python3*/site-packages/ipykernel_launcher.py")):
        lacking.append("ipykernel")
    notes = [f"{' and '.join(lacking)} is not in it yet: envkit install {named} {' '.join(lacking)}"] if lacking else []
    if home.name and not registered:
        notes.append(f"Jupyter does not know it yet: envkit kernel install {home.name}")
    return notes


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", hint="Give the path of a notebook.") from error
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or not isinstance(document.get("nbformat"), int):
        raise UsageError(f"{path} is not a notebook", hint="Give a file as Jupyter saves it: NAME.ipynb.")
    return document


def kernel_of(path: Path) -> str | None:
    """Return the name of the kernel of a notebook; None if it names none.

    Raises:
        UsageError: The file is no notebook.
    """
    metadata = _read(path).get("metadata")
    spec = metadata.get("kernelspec") if isinstance(metadata, dict) else None
    name = spec.get("name") if isinstance(spec, dict) else None
    return name if isinstance(name, str) else None


def _needs_require(notebook: dict[str, Any]) -> bool:
    """Return whether an output loads scripts of its own through require.js, as plots of some libraries do."""
    cells = [cell for cell in notebook["cells"] if isinstance(cell, dict)]
    return any("require" in json.dumps(cell.get("outputs", ())) for cell in cells)


def _is_export(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_SCRIPT_HEAD)).decode("utf-8", "replace") == _SCRIPT_HEAD


def _environ(volumes: Sequence[str]) -> dict[str, str]:
    """Return the variables for nbconvert: the volumes' kernels are found, as env.sh lets Jupyter find them."""
    folders = [str(shared_dir(volume).parent) for volume in volumes]
    if before := os.environ.get("JUPYTER_PATH"):
        folders.append(before)
    return {**os.environ, **({"JUPYTER_PATH": os.pathsep.join(folders)} if folders else {})}


def _publish(made: Path, target: Path) -> None:
    """Put a file in its place at once, from another file system too."""
    handle, name = tempfile.mkstemp(prefix=".envkit-", suffix=target.suffix, dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(made.read_bytes())
        mask = os.umask(0)
        os.umask(mask)
        Path(name).chmod(0o666 & ~mask)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise

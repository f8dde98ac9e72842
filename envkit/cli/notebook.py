"""envkit notebook new, export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from envkit.cli import complete, options, which
from envkit.cli.declared import argument, option
from envkit.errors import UsageError
from envkit.values import asdict

if TYPE_CHECKING:
    from envkit.api.notebook import Home

_FORMATS = "py, html or pdf."
_Name = Annotated[
    str | None,
    option(
        "-n",
        "--name",
        metavar="NAME",
        show_default="the active one",
        help="The environment that it runs in.",
        complete=complete.names,
    ),
]
_Prefix = Annotated[Path | None, option("-p", "--prefix", metavar="DIR", help="The same by path: conda, pixi, venv.")]


def notebook_new_command(
    *,
    recipe: Annotated[
        str, option("--recipe", metavar="NAME", help="The recipe whose notebook is written.")
    ] = "notebook-math",
    output: Annotated[
        Path | None, option("-o", "--output", metavar="FILE", show_default="RECIPE.ipynb", help="The file to write.")
    ] = None,
    framework: Annotated[
        str | None,
        option(
            "--framework",
            metavar="NAME",
            show_default="the environment's",
            help="Whose code it holds: pytorch, tensorflow, jax or numpy.",
        ),
    ] = None,
    given: _Name = None,
    prefix: _Prefix = None,
    persist: options.Persist = None,
    force: Annotated[bool, option("--force", help="Replace a file that is there.")] = False,
    as_json: options.Json = False,
) -> None:
    """Write a notebook that derives formulas and checks them in code.

    The code is for the framework that the environment has; for PyTorch, where no environment is given or active.
    """
    from envkit.api.notebook import new_notebook
    from envkit.cli.output import console, mark, print_json
    from envkit.notebooks.source import title_of

    home = _home(given, prefix, persist)
    made = new_notebook(recipe, output, framework=framework, home=home, force=force)
    if as_json:
        print_json({"notebook": asdict(made)})
        return
    out = console()
    where = f", for {made.environment}" if made.environment else ""
    out.print(mark("[green]{}[/green]  {}{}", made.path, title_of(made.framework), where))
    for note in made.notes:
        out.print(mark("  {}", note))


def notebook_export_command(
    *,
    path: Annotated[Path | None, argument(metavar="FILE", help="A notebook.")] = None,
    kind: Annotated[str, option("--to", metavar="FORMAT", help=_FORMATS)] = "html",
    output: Annotated[
        Path | None,
        option("-o", "--output", metavar="FILE", show_default="FILE.FORMAT", help="The file to write."),
    ] = None,
    given: _Name = None,
    prefix: _Prefix = None,
    persist: options.Persist = None,
    execute: Annotated[bool, option("--execute", help="Run it first, in its kernel; FILE stays as it is.")] = False,
    as_json: options.Json = False,
) -> None:
    """Write a notebook as a script, a page or a PDF.

    A page loads nothing from the network. nbconvert does the work: envkit's own (`pip install 'envkit[notebook]'`),
    the environment's, or one on PATH.
    """
    from envkit.api.notebook import export_notebook
    from envkit.cli.output import console, mark, print_json
    from envkit.cli.progress import make_reporter
    from envkit.client.volume import locate_volumes
    from envkit.models.progress import working

    if path is None:
        raise UsageError(
            "no notebook is given", hint="For example: envkit notebook export notebook-math.ipynb --to pdf"
        )
    home = _home(given, prefix, persist) or _home_of(path, persist)
    volumes = locate_volumes(persist)
    with working(make_reporter("none" if as_json else "auto"), "export", f"{path.name} as {kind}"):
        made = export_notebook(path, kind, output, home=home, execute=execute, volumes=volumes)
    if as_json:
        print_json({"export": asdict(made)})
        return
    out = console()
    out.print(mark("[green]{}[/green]", made.path))
    for note in made.notes:
        out.print(mark("  {}", note))


def _home(given: str | None, prefix: Path | None, persist: Path | None) -> Home | None:
    """Return the environment that is named, or active; None without one."""
    from envkit.api.notebook import Home
    from envkit.cli.launch import find_place
    from envkit.client.volume import locate_volume
    from envkit.paths import split_generation

    if given is None and prefix is None and not which.is_active():
        return None
    name = which.anything(None, given, prefix)
    place = find_place(name, persist)
    found = split_generation(place.prefix)
    if found is None:
        return Home(place.prefix)
    return Home(place.prefix, found[0] if "/" in name else locate_volume(persist, name), place.name)


def _home_of(path: Path, persist: Path | None) -> Home | None:
    """Return the environment of a notebook's kernel, if envkit registered it."""
    import os

    from envkit.api.notebook import Home, kernel_of
    from envkit.client.volume import linked_generation, locate_volumes
    from envkit.kernels import list_kernels

    kernel = kernel_of(path)
    for known in list_kernels(locate_volumes(persist), os.environ) if kernel else ():
        generation = linked_generation(known.volume, known.environment) if known.name == kernel else None
        if generation is not None:
            return Home(generation, known.volume, known.environment)
    return None

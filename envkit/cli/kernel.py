"""envkit kernel install, list, remove."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from envkit.cli import complete, options

__all__ = ["register"]

_kernel = typer.Typer(
    name="kernel",
    help="Jupyter kernels that start in an environment and follow its next generation.",
    no_args_is_help=True,
)

_Name = Annotated[str, typer.Argument(metavar="NAME", autocompletion=complete.names)]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(_kernel)


@_kernel.command("install")
def _install(
    *,
    name: _Name,
    persist: options.Persist = None,
    shared: Annotated[
        bool, typer.Option("--shared", help="On the volume, for all, rather than for this user.")
    ] = False,
    display_name: Annotated[
        str | None,
        typer.Option("--display-name", metavar="TEXT", help="What Jupyter shows; else 'Python 3.11 (NAME)'."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Register a Jupyter kernel for an environment. It needs ipykernel among its packages."""
    from rich.markup import escape

    from envkit.cli.output import console, print_json
    from envkit.client.volume import linked_generation, locate_volume, unknown
    from envkit.kernels import install_kernel

    root = locate_volume(persist)
    if linked_generation(root, name) is None:
        raise unknown(root, name)
    kernel = install_kernel(root, name, shared=shared, display_name=display_name, env=os.environ)
    if as_json:
        print_json(_json([kernel]))
        return
    out = console()
    out.print(f"[green]{escape(kernel.display_name)}[/green] is registered in {kernel.path}")
    if shared:
        out.print(f"  Jupyter finds it with JUPYTER_PATH={os.path.dirname(os.path.dirname(kernel.path))}")  # noqa: PTH120


@_kernel.command("list")
def _list(*, persist: options.Persist = None, as_json: options.Json = False) -> None:
    """List the kernels that envkit has registered, for this user and on the volume."""
    from rich.markup import escape

    from envkit.cli.output import console, print_json, table
    from envkit.client.volume import locate_volume
    from envkit.kernels import list_kernels

    found = list_kernels(locate_volume(persist), os.environ)
    if as_json:
        print_json(_json(found))
        return
    out = console()
    if not found:
        out.print("no kernels yet; register one with `envkit kernel install NAME`")
        return
    view = table("kernel", "shown as", "environment", "for", "folder", whole=("kernel", "environment", "for"))
    for kernel in found:
        state = f"[red]{escape(kernel.problem)}[/red]" if kernel.problem else kernel.environment
        view.add_row(
            kernel.name, escape(kernel.display_name), state, "all" if kernel.shared else "this user", kernel.path
        )
    out.print(view)


@_kernel.command("remove")
def _remove(*, name: _Name, persist: options.Persist = None, as_json: options.Json = False) -> None:
    """Remove the kernels of an environment; the environment stays."""
    from envkit.cli.output import console, print_json
    from envkit.client.volume import locate_volume
    from envkit.errors import UnknownEnvironmentError
    from envkit.kernels import remove_kernels

    root = locate_volume(persist)
    removed = remove_kernels(root, name)
    if not removed:
        raise UnknownEnvironmentError(f"{name} of {root} has no kernel", hint="See `envkit kernel list`.")
    if as_json:
        print_json(_json(removed))
        return
    for kernel in removed:
        console().print(f"removed {kernel.path}")


def _json(kernels: list[Any]) -> dict[str, Any]:
    from dataclasses import asdict

    from envkit.wire.results import SCHEMA_VERSION

    return {"schema_version": SCHEMA_VERSION, "kernels": [asdict(kernel) for kernel in kernels]}

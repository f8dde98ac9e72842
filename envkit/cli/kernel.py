"""envkit kernel install, list, remove."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from envkit.cli import options, which
from envkit.cli.declared import option
from envkit.values import asdict

if TYPE_CHECKING:
    from envkit.cli.output import Console
    from envkit.kernels import Kernel


def kernel_install_command(
    *,
    name: which.Argument = None,
    given: which.Name = None,
    prefix: which.Prefix = None,
    persist: options.Persist = None,
    shared: Annotated[bool, option("--shared", help="Register it on the volume, for all users.")] = False,
    display_name: Annotated[
        str | None,
        option(
            "--display-name",
            metavar="TEXT",
            show_default="NAME, its framework and this GPU",
            help="Name in Jupyter, for good.",
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Register a Jupyter kernel for an environment that has ipykernel.

    On a machine that cannot run the environment, the kernel starts and answers each cell with the reason and the cure.
    In its notebooks, %envkit runs envkit.
    """
    from envkit.api.kernel import shown_name
    from envkit.cli.output import console, mark, print_json
    from envkit.client.volume import linked_generation, locate_volume, unknown
    from envkit.kernels import install_kernel

    name, persist = which.environment(name, given, prefix, persist)
    root = locate_volume(persist, name)
    if linked_generation(root, name) is None:
        raise unknown(root, name)
    session = options.session_of(persist, name=name)
    shown = None if display_name else shown_name(session.find_volume(), name, session.host)
    kernel = install_kernel(root, name, shared=shared, display_name=display_name, shown=shown, env=os.environ)
    if as_json:
        print_json(_json([kernel]))
        return
    out = console()
    out.print(mark("[green]{}[/green] is registered in {}", kernel.display_name, kernel.path))
    if shared:
        out.print(f"  Jupyter finds it with JUPYTER_PATH={os.path.dirname(os.path.dirname(kernel.path))}")  # noqa: PTH120


def kernel_list_command(*, persist: options.Persist = None, as_json: options.Json = False) -> None:
    """List the kernels that envkit has registered, by their names on this machine."""
    from envkit.cli.output import console, print_json
    from envkit.client.volume import locate_volumes
    from envkit.kernels import list_kernels

    found = list_kernels(locate_volumes(persist), os.environ)
    if any(not kernel.named and not kernel.problem for kernel in found):
        from envkit.api.kernel import kernels_here

        found = kernels_here(found, options.session_of(persist).host)
    if as_json:
        print_json(_json(found))
        return
    out = console()
    if not found:
        out.print("no kernels yet; register one with `envkit kernel install NAME`")
        return
    render_kernels(out, found)


def render_kernels(out: Console, kernels: Sequence[Kernel]) -> None:
    """Print kernels, and which of them still have another machine's name in their files."""
    from envkit.cli.output import mark, table, without

    view = table("kernel", "shown as", "environment", "for", "folder", whole=("kernel", "environment", "for"))
    for kernel in kernels:
        state = mark("[red]{}[/red]", kernel.problem) if kernel.problem else kernel.environment
        users = "all" if kernel.shared else "this user"
        view.add_row(kernel.name, kernel.here or kernel.display_name, state, users, kernel.path)
    out.print(without(out, view, "folder"))
    for kernel in kernels:
        if kernel.here not in {None, kernel.display_name}:
            shared = " --shared" if kernel.shared else ""
            out.print(
                mark(
                    "{}: a Jupyter without envkit shows '{}'; [bold]envkit kernel install {}{}[/bold] names it anew",
                    kernel.name,
                    kernel.display_name,
                    kernel.environment,
                    shared,
                )
            )


def kernel_remove_command(
    *,
    name: which.Argument = None,
    given: which.Name = None,
    prefix: which.Prefix = None,
    persist: options.Persist = None,
    as_json: options.Json = False,
) -> None:
    """Remove the kernels of an environment; the environment stays."""
    from envkit.cli.output import console, print_json
    from envkit.client.volume import locate_volume
    from envkit.errors import UnknownEnvironmentError
    from envkit.kernels import remove_kernels

    name, persist = which.environment(name, given, prefix, persist)
    root = locate_volume(persist, name)
    removed = remove_kernels(root, name)
    if not removed:
        raise UnknownEnvironmentError(f"{name} of {root} has no kernel", hint="See `envkit kernel list`.")
    if as_json:
        print_json(_json(removed))
        return
    for kernel in removed:
        console().print(f"removed {kernel.path}")


def _json(kernels: list[Kernel]) -> dict[str, Any]:
    return {"kernels": [asdict(kernel) for kernel in kernels]}

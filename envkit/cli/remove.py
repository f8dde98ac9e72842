"""envkit remove, rename, clone."""

from __future__ import annotations

from typing import Annotated

import typer

from envkit.cli import options

__all__ = ["register"]

_Name = Annotated[str, typer.Argument(metavar="NAME", help="An environment of the volume.")]
NewName = Annotated[str, typer.Argument(metavar="NEW", help="Its new name.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("remove")(_remove)
    app.command("rename")(_rename)
    app.command("clone")(_clone)


def _remove(
    *,
    name: _Name,
    persist: options.Persist = None,
    yes: options.Yes = False,
    as_json: options.Json = False,
) -> None:
    """Remove an environment with all its generations. Packages stay in the cache until `envkit clean`."""
    del yes
    from envkit.api.remove import remove as remove_environment
    from envkit.cli.output import console, print_json
    from envkit.wire.volume import remove_json
    from envkit.words.values import size_words

    result = remove_environment(options.session_of(persist, name=name, as_json=as_json), name)
    if as_json:
        print_json(remove_json(result))
        return
    out = console()
    out.print(
        f"[green]{name}[/green] is gone with {len(result.generations)} generations, "
        f"{size_words(result.freed_bytes)} freed"
    )
    if result.kept:
        out.print(
            f"[yellow]note[/yellow]  in use and left for `envkit clean`: {', '.join(result.kept)}",
        )


def _rename(*, name: _Name, new_name: NewName, persist: options.Persist = None, as_json: options.Json = False) -> None:
    """Give an environment another name. Only its link changes; jobs that run in it go on."""
    from envkit.api.remove import rename as rename_environment
    from envkit.cli.output import console, print_json
    from envkit.wire.volume import switch_json

    result = rename_environment(options.session_of(persist, name=name, as_json=as_json), name, new_name)
    if as_json:
        print_json(switch_json(result))
        return
    console().print(f"{name} is [green]{new_name}[/green] now ({result.path})")


def _clone(
    *,
    source: Annotated[str, typer.Argument(metavar="NAME[@N]", help="An environment, or one of its generations.")],
    name: Annotated[str, typer.Argument(metavar="NEW", help="The clone's name.")],
    persist: options.Persist = None,
    no_validate: Annotated[bool, typer.Option("--no-validate", help="Publish without validating.")] = False,
    offline: options.Offline = False,
    as_json: options.Json = False,
    progress: options.ProgressOption = "auto",
) -> int:
    """Make another environment of the same packages. Nothing is solved; the files are shared."""
    from envkit.api.clone import clone as clone_environment
    from envkit.cli.create import exit_code, render_findings_of
    from envkit.cli.output import console, print_json
    from envkit.host.wire import host_to_json
    from envkit.wire.results import create_json

    session = options.session_of(
        persist, name=source.partition("@")[0], offline=offline, as_json=as_json, progress=progress
    )
    result = clone_environment(session, source, name, proof=options.parse_proof(no_validate=no_validate))
    if as_json:
        print_json(create_json(result, host_to_json(result.host) if result.host else {}))
    else:
        out = console()
        render_findings_of(out, result)
        out.print(f"[green]{name}[/green] is ready in {result.path} ({len(result.records)} packages of {source})")
    return exit_code(result)

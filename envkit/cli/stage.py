"""envkit stage, and where `run` and `clean` look for staged copies."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from envkit.cli import options, which
from envkit.cli.declared import option
from envkit.errors import UsageError, VolumeError
from envkit.printable import printable

if TYPE_CHECKING:
    from envkit.cli.launch import Place

StageOption = Annotated[
    Path | None,
    option(
        "--stage",
        metavar="DIR",
        show_default="ENVKIT_STAGE, else none",
        help="Run in a copy on this node's own disk, made below DIR at the first use.",
    ),
]


def stage_command(
    *,
    name: which.AnyArgument = None,
    given: which.Name = None,
    prefix: which.Prefix = None,
    to: Annotated[
        Path | None,
        option("--to", metavar="DIR", show_default="ENVKIT_STAGE", help="A directory of this node's own disk."),
    ] = None,
    persist: options.Persist = None,
    profile: options.ProfileOption = None,
    as_json: options.Json = False,
    progress: options.ProgressOption = "auto",
) -> None:
    """Copy an environment to this node's own disk, where `run --stage` uses it.

    NAME may be an environment, NAME@N, or the path of a file of `envkit pack`. However many processes ask at once, one
    copies. The copy needs the volume no more.
    """
    from envkit.api.stage import stage
    from envkit.cli.output import console, mark, print_json
    from envkit.wire.pack import stage_json
    from envkit.words.values import size_words

    place = to or stage_place()
    if place is None:
        raise UsageError("no directory to copy to", hint="Name one of this node's disk: --to DIR, or ENVKIT_STAGE.")
    name = which.anything(name, given, prefix)
    session = options.session_of(persist, name=name, as_json=as_json, progress=progress)
    result = stage(session, name, place, profile=profile)
    if as_json:
        print_json(stage_json(result))
        return
    out = console()
    state = "was there already" if result.reused else f"copied from {result.source}"
    told = f"{result.files:,} files, {size_words(result.size_bytes)}, {state}"
    out.print(mark("[green]{}[/green] is in {} ({})", result.environment or result.generation, result.prefix, told))
    out.print(f"  run   envkit run --stage {place} {name} -- python")
    out.print(f"  else  {result.prefix}/bin/python, or `conda activate {result.prefix}`")


def stage_place() -> Path | None:
    """Return the directory that ENVKIT_STAGE names, if it does."""
    value = os.environ.get("ENVKIT_STAGE")
    return Path(value) if value else None


def staged_place(name: str, persist: Path | None, place: Path) -> Place:
    """Return the copy of an environment to run in; make it if it is not there."""
    from envkit.api.stage import stage
    from envkit.cli.launch import Place, find_staged

    found = find_staged(name, persist, str(place))
    if found is not None:
        return found
    session = options.session_of(persist, name=name)
    result = stage(session, name, place)
    return Place(result.prefix, result.environment)


def mounted_place(place: Place, name: str, persist: Path | None) -> Place:
    """Mount an environment that is only a pack; where that cannot be, copy it to the folder for temporary files."""
    from envkit.layout.mounting import enter_packed

    try:
        enter_packed(place.prefix)
    except VolumeError as error:
        import tempfile

        sys.stderr.write(f"envkit: {printable(error.message)}; it is copied to {tempfile.gettempdir()}\n")
        return staged_place(name, persist, Path(tempfile.gettempdir()))
    return place

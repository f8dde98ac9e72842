"""envkit image."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from envkit.cli import options, which
from envkit.cli.declared import option
from envkit.errors import UsageError, VolumeError

_FOLDER = "."


def image_command(
    *,
    name: which.Argument = None,
    given: which.Name = None,
    prefix: which.Prefix = None,
    persist: options.Persist = None,
    form: Annotated[str, option("--format", metavar="FORMAT", help="dockerfile or apptainer.")] = "dockerfile",
    pack: Annotated[
        Path | None,
        option("--pack", metavar="FILE", help="Take it from this file of `envkit pack`, else from its exact lock."),
    ] = None,
    base: Annotated[str, option("--base", metavar="IMAGE", help="The image to start from.")] = "debian:12-slim",
    output: Annotated[
        Path,
        option(
            "-o",
            "--output",
            metavar="DIR",
            help="Where the definition and its locks are written; made if it is missing.",
        ),
    ] = Path(_FOLDER),
    as_json: options.Json = False,
) -> None:
    """Write the definition of an image that holds an environment at exactly its path.

    What builds the image needs no envkit: a pack is unpacked with tar, packages of a lock are installed by micromamba.
    """
    from envkit.api.image import ImageOptions, image_files
    from envkit.cli.output import console, mark, print_json
    from envkit.outputs.image import IMAGE_FORMATS, MARK

    kind = next((known for known in IMAGE_FORMATS if known == form), None)
    if kind is None:
        raise UsageError(f"--format {form!r} is not known", hint=f"One of {', '.join(IMAGE_FORMATS)}.")
    name, persist = which.environment(name, given, prefix, persist)
    session = options.session_of(persist, name=name, as_json=as_json)
    files = image_files(session, name, ImageOptions(kind, base, pack))
    definition, *locks = files
    there = output / definition
    if there.exists() and not there.read_text(encoding="utf-8", errors="replace").startswith(MARK):
        raise UsageError(f"{there} is there and was not written by envkit", hint="Name another directory with -o DIR.")
    try:
        output.mkdir(exist_ok=True)
        for file, text in files.items():
            (output / file).write_text(text, encoding="utf-8")
    except OSError as error:
        hint = "Name another directory with -o DIR."
        raise VolumeError(f"{output} cannot be written: {error.strerror}", hint=hint) from error
    if as_json:
        print_json({"schema_version": 1, "definition": str(there), "locks": [str(output / lock) for lock in locks]})
        return
    beside = [*locks, *([pack.name] if pack is not None else [])]
    console().print(mark("[green]{}[/green]  builds with {} beside it", str(there), ", ".join(beside)))

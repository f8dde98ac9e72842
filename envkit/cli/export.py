"""envkit export."""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

from envkit.cli import options, which
from envkit.errors import UsageError
from envkit.printable import printable_lines


def export_command(
    *,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME[@N]]", show_default="the active one", help="An environment, or one of its generations."
        ),
    ] = None,
    given: which.Name = None,
    prefix: which.Prefix = None,
    persist: options.Persist = None,
    explicit: Annotated[bool, typer.Option("--explicit", help="Print URLs with sha256 (CEP 23).")] = False,
    pins: Annotated[bool, typer.Option("--pins", help="Print every package with its version and build.")] = False,
    as_json: options.Json = False,
) -> None:
    """Print an environment.yml or a list of URLs that makes it again."""
    from envkit.api.export import explicit_text, export_manifest, yaml_document
    from envkit.cli.output import print_json

    if explicit and pins:
        raise UsageError("--explicit and --pins exclude each other", hint="Give one of them.")
    name, persist = which.environment(name, given, prefix, persist)
    manifest = export_manifest(options.session_of(persist, name=name).find_volume(), name)
    if as_json:
        content = {"explicit": explicit_text(manifest).splitlines()} if explicit else yaml_document(manifest, pins=pins)
        print_json(content)
        return
    if explicit:
        sys.stdout.write(printable_lines(explicit_text(manifest)))
        return
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    text = io.StringIO()
    yaml.dump(dict(yaml_document(manifest, pins=pins)), text)
    sys.stdout.write(printable_lines(text.getvalue()))

"""envkit vscode."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

from envkit.cli import options, which
from envkit.cli.declared import option
from envkit.printable import printable_lines


def vscode_command(
    *,
    name: which.Argument = None,
    given: which.Name = None,
    prefix: which.Prefix = None,
    persist: options.Persist = None,
    write: Annotated[
        bool, option("--write", help="Merge them into .vscode/settings.json; its comments and other settings stay.")
    ] = False,
    workspace: Annotated[
        Path | None,
        option("--workspace", metavar="DIR", show_default="this directory", help="The folder that VS Code opens."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Print settings by which VS Code uses an environment: interpreter, terminals and notebooks."""
    from envkit.api.vscode import settings_for, write_settings
    from envkit.cli.output import console, mark, print_json

    name, persist = which.environment(name, given, prefix, persist)
    session = options.session_of(persist, name=name)
    settings = settings_for(session.find_volume(), name)
    path, changed = write_settings(workspace or Path(), settings) if write or workspace else (None, False)
    if as_json:
        print_json({"settings": settings, "path": None if path is None else str(path), "changed": changed})
    elif path is None:
        sys.stdout.write(printable_lines(json.dumps(settings, indent=4, ensure_ascii=False)) + "\n")
    else:
        said = f"now uses {name}" if changed else f"uses {name} already"
        console().print(mark("[green]{}[/green] {}", str(path), said))

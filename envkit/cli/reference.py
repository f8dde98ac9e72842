"""envkit help."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path
from typing import Annotated

from envkit.cli import complete, options
from envkit.cli.commands import COMMANDS
from envkit.cli.declared import argument, option
from envkit.errors import UsageError

_FOLDER = Path(__file__).parent.parent / "data" / "reference"


def help_command(
    *,
    topic: Annotated[
        str | None,
        argument(
            metavar="[TOPIC|COMMAND]",
            help=f"One of {', '.join(topics())}, or a command.",
            complete=complete.explained,
        ),
    ] = None,
    raw: Annotated[bool, option("--raw", help="Print the Markdown itself.")] = False,
    as_json: options.Json = False,
) -> None:
    """Explain exit codes, codes, JSON documents, files and environment variables; or a command."""
    if topic is None:
        _list(as_json=as_json)
    else:
        _show(topic, _markdown(topic), raw=raw, as_json=as_json)


def topics() -> tuple[str, ...]:
    """Return the names of the topics, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.md")))


def read_topic(topic: str) -> str:
    """Return the Markdown of a topic: a heading, a line that says what it is about, the rest."""
    return (_FOLDER / f"{topic}.md").read_text(encoding="utf-8")


def _markdown(topic: str) -> str:
    names = topics()
    if topic in names:
        return read_topic(topic)
    near = difflib.get_close_matches(topic, [*names, *COMMANDS], n=1)
    raise UsageError(
        f"there is no topic and no command {topic!r}",
        hint=(f"Did you mean `envkit help {near[0]}`? " if near else "") + f"Topics: {', '.join(names)}.",
    )


def _list(*, as_json: bool) -> None:
    lines = {topic: read_topic(topic).split("\n", 3)[2] for topic in topics()}
    if as_json:
        from envkit.cli.output import print_json

        about = [{"topic": topic, "text": line} for topic, line in lines.items()]
        print_json({"topics": about})
        return
    from envkit.cli.output import console, labelled

    out = console()
    out.print(labelled(*((topic, "bold", line) for topic, line in lines.items())))
    out.print("Read one with `envkit help TOPIC`; `envkit help COMMAND` is `envkit COMMAND --help`.")


def _show(topic: str, markdown: str, *, raw: bool, as_json: bool) -> None:
    if as_json:
        from envkit.cli.output import print_json

        print_json({"topic": topic, "markdown": markdown})
    elif raw:
        sys.stdout.write(markdown)
    else:
        from envkit.cli.markdown import print_page

        print_page(markdown)

"""How the signatures of commands declare options and arguments, in annotations.

The signatures are the one source: `envkit.cli.grammar` reads command lines by them, `envkit.cli.usage` writes the help,
and `envkit.cli.typed` makes commands of typer from them, for messages and completion.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from envkit.tuples import NamedTuple


class Declared(NamedTuple):
    """An option, or without names an argument."""

    names: tuple[str, ...]
    is_argument: bool
    help: str
    metavar: str | None = None
    show_default: str | None = None  # words in place of the default
    minimum: int | None = None
    parser: Callable[[str], Any] | None = None  # may raise `UsageError`
    complete: Callable[[str], Sequence[str]] | None = None
    panel: str = "Options"  # of the help
    hidden: bool = False


def option(
    *names: str,
    help: str,
    metavar: str | None = None,
    show_default: str | None = None,
    minimum: int | None = None,
    parser: Callable[[str], Any] | None = None,
    complete: Callable[[str], Sequence[str]] | None = None,
    panel: str = "Options",
    hidden: bool = False,
) -> Declared:
    """Declare an option; without names, it is called as its parameter."""
    return Declared(names, False, help, metavar, show_default, minimum, parser, complete, panel, hidden)  # noqa: FBT003


def argument(
    *,
    metavar: str,
    help: str,
    show_default: str | None = None,
    complete: Callable[[str], Sequence[str]] | None = None,
) -> Declared:
    """Declare a positional argument."""
    return Declared((), True, help, metavar, show_default, complete=complete, panel="Arguments")  # noqa: FBT003

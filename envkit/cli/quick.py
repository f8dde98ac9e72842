"""Verbs that are done before the whole command line is loaded, where their arguments are plain.

Whatever is not plain, and every error, is left to the whole command line, which knows these verbs too.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from envkit.cli.launch import activation_code, deactivation_code, find_place, run_command
from envkit.errors import EnvkitError

__all__ = ["do_quickly"]


def do_quickly(argv: Sequence[str]) -> bool:
    """Do the verb `argv[0]`; whether it was done. `run` does not come back when it was.

    Args:
        argv: What stands behind ``envkit``.
    """
    verb, *words = argv
    flags: dict[str, str] = {}
    known = {"--persist"} if verb == "run" else {"--persist", "--shell"}
    names: list[str] = []
    while words and not (verb == "run" and names) and words[0] != "--":
        word = words.pop(0)
        if not word.startswith("-"):
            names.append(word)
            continue
        option, equals, value = word.partition("=")
        if option not in known or not (equals or words):
            return False
        flags[option] = value if equals else words.pop(0)
    command = words[1:] if words[:1] == ["--"] else words
    try:
        if verb == "run" and len(names) == 1 and command:
            run_command(find_place(names[0], flags.get("--persist")), command)
        elif verb == "activate" and len(names) == 1 and not words and not sys.stdout.isatty():
            sys.stdout.write(activation_code(names[0], flags.get("--persist"), flags.get("--shell")))
        elif verb == "deactivate" and not names and not words and not sys.stdout.isatty():
            sys.stdout.write(deactivation_code(flags.get("--shell")))
        else:
            return False
    except (EnvkitError, UnicodeError):
        return False
    return True

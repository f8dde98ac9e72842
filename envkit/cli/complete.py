"""Completion of names in a shell. Quick, and silent on any error."""

from __future__ import annotations

import contextlib
import os


def names(incomplete: str) -> list[str]:
    """List the environments of the volumes."""
    from envkit.client.volume import linked_generation, locate_volumes
    from envkit.errors import EnvkitError

    found: set[str] = set()
    with contextlib.suppress(OSError, EnvkitError):
        for root in locate_volumes(_persist()):
            with contextlib.suppress(OSError):  # another root may be there
                here = (name for name in os.listdir(root) if name[0] not in ".-" and name.startswith(incomplete))
                found.update(name for name in here if linked_generation(root, name))
    return sorted(found)


def _persist() -> str | None:
    """Return the volume that the command line being completed names."""
    words = os.environ.get("COMP_WORDS", os.environ.get("_TYPER_COMPLETE_ARGS", "")).split()
    for number, word in enumerate(words):
        if word.startswith("--persist="):
            return word.partition("=")[2]
        if word == "--persist" and number + 1 < len(words):
            return words[number + 1]
    return None


def recipe_names(incomplete: str) -> list[str]:
    """List recipes that envkit brings."""
    from envkit.recipes import builtin_names

    return [name for name in builtin_names() if name.startswith(incomplete)]


def shells(incomplete: str) -> list[str]:
    """List shells that envkit can write for."""
    from envkit.shells import SHELLS

    return [name for name in SHELLS if name.startswith(incomplete)]


def explained(incomplete: str) -> list[str]:
    """List what `envkit help` explains."""
    from envkit.cli.commands import COMMANDS
    from envkit.cli.reference import topics

    return [name for name in (*topics(), *COMMANDS) if name.startswith(incomplete)]

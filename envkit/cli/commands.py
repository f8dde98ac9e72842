"""The commands by name, and the module of each. Only that of the command that is called is loaded."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

_MODULES: Mapping[str, str] = {
    "find": "find",
    "create": "create",
    "ensure": "ensure",
    "validate": "validate",
    "inspect": "inspect",
    "list": "environments",
    "show": "environments",
    "run": "environments",
    "recipes": "recipes",
    "recipes show": "recipes",
    "recipes check": "recipes",
    "recipes container": "recipes",
    "install": "modify",
    "uninstall": "modify",
    "upgrade": "modify",
    "history": "history",
    "diff": "history",
    "rollback": "history",
    "tree": "graph",
    "why": "graph",
    "remove": "remove",
    "rename": "remove",
    "clone": "remove",
    "pack": "pack",
    "unpack": "pack",
    "stage": "stage",
    "image": "image",
    "export": "export",
    "lock": "lock",
    "doctor": "doctor",
    "clean": "clean",
    "detect": "detect",
    "facts": "facts",
    "activate": "activate",
    "deactivate": "activate",
    "shell": "activate",
    "vscode": "vscode",
    "help": "reference",
    "volume": "volume",
    "volume bootstrap": "volume",
    "volume share": "volume",
    "config show": "config",
    "config get": "config",
    "config set": "config",
    "config unset": "config",
    "kernel install": "kernel",
    "kernel list": "kernel",
    "kernel remove": "kernel",
    "notebook new": "notebook",
    "notebook export": "notebook",
    "fleet detect": "fleet",
    "fleet stage": "fleet",
    "fleet validate": "fleet_validate",
    "fleet constraint": "constraint",
    "fleet report": "fleet_report",
    "fleet join": "fleet_validate",
}
"""By the words that call it; the function is `volume_share_command` of the module."""

GROUPS: Mapping[str, str] = {
    "recipes": "List the recipes that envkit brings; show one, check your own.",
    "volume": "Show the volume: its place, abilities and contents.",
    "config": "Show what is configured and where, and change envkit's own file.",
    "kernel": "Manage Jupyter kernels that start in an environment.",
    "notebook": "Write notebooks of formulas and code, and export notebooks.",
    "fleet": "Ask the nodes of a cluster at once, through the scheduler that is there.",
}
"""Commands that have commands of their own."""

COMMANDS: tuple[str, ...] = (*(path for path in _MODULES if " " not in path and path not in GROUPS), *GROUPS)
"""The first words of the command line, in the order of the help."""


def commands_of(group: str) -> tuple[str, ...]:
    """Return the commands of a group, by all their words."""
    return tuple(path for path in _MODULES if path.startswith(f"{group} "))


def function_of(path: str) -> Callable[..., Any]:
    """Return the function of a command.

    Raises:
        KeyError: There is no such command.
    """
    module = importlib.import_module(f"envkit.cli.{_MODULES[path]}")
    function: Callable[..., Any] = getattr(module, f"{path.replace(' ', '_')}_command")
    return function


def has_function(path: str) -> bool:
    """Return whether a command does something itself."""
    return path in _MODULES


def summary_of(path: str) -> str:
    """Return the first line of what a command says of itself."""
    if path in GROUPS:
        return GROUPS[path]
    return (function_of(path).__doc__ or "").strip().partition("\n")[0]

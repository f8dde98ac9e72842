"""Settings by which VS Code uses an environment (code.visualstudio.com/docs/reference/default-settings)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from envkit.paths import JUPYTER, PRIVATE


def vscode_settings(
    root: str, name: str, *, command: Sequence[str], kernels: Sequence[str] = (), platform: str = sys.platform
) -> dict[str, Any]:
    """Return settings of a workspace.

    The interpreter is named by the environment's link, so that it follows the next generation; a Python started by it
    stays in the generation that it was started in. New terminals are shells of `envkit shell`.

    Args:
        root: The volume.
        name: The environment.
        command: What starts envkit.
        kernels: The files kernel.json of its kernels, which the Jupyter extension then starts without asking.
        platform: As `sys.platform` names it.
    """
    system = "osx" if platform == "darwin" else "linux"
    first, *rest = command
    shell = {"path": first, "args": [*rest, "shell", name, "--persist", root]}
    settings: dict[str, Any] = {
        "python.defaultInterpreterPath": f"{root}/{name}/bin/python",
        "python.terminal.activateEnvironment": False,  # `envkit shell` did
        f"terminal.integrated.env.{system}": {
            "CONDA_ENVS_PATH": root,
            "JUPYTER_PATH": f"{root}/{PRIVATE}/{JUPYTER}",
        },
        f"terminal.integrated.profiles.{system}": {name: shell},
        f"terminal.integrated.defaultProfile.{system}": name,
    }
    if kernels:
        settings["jupyter.kernels.trusted"] = list(kernels)
    return settings

"""vscode: settings of a workspace for an environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from envkit.errors import UsageError, VolumeError
from envkit.kernels import list_kernels
from envkit.layout.atomic import write_atomic
from envkit.layout.generation import resolve
from envkit.layout.volume import Volume
from envkit.outputs.jsonc import merge_text
from envkit.outputs.vscode import vscode_settings

SETTINGS = Path(".vscode") / "settings.json"
"""The settings of a workspace, below its folder."""


def settings_for(volume: Volume, name: str) -> dict[str, Any]:
    """Return settings by which VS Code uses an environment.

    Raises:
        UnknownEnvironmentError: There is no such environment.
    """
    resolve(volume, name)
    launcher = volume.binaries / "envkit"
    command = [str(launcher)] if os.access(launcher, os.X_OK) else [sys.executable, "-m", "envkit"]
    known = list_kernels([str(volume.root)], os.environ)
    kernels = [f"{kernel.path}/kernel.json" for kernel in known if kernel.environment == name and not kernel.problem]
    return vscode_settings(str(volume.root), name, command=command, kernels=kernels)


def write_settings(workspace: Path, settings: Mapping[str, Any]) -> tuple[Path, bool]:
    """Merge settings into those of a workspace, whose comments stay; return the file and whether it changed.

    Raises:
        UsageError: There is no such folder, or its settings cannot be read.
        VolumeError: They cannot be written.
    """
    if not workspace.is_dir():
        raise UsageError(f"{workspace} is not a folder", hint="Give the folder that VS Code opens: --workspace DIR.")
    path = workspace / SETTINGS
    try:
        path.parent.mkdir(exist_ok=True)
        target = Path(os.path.realpath(path))  # some keep them elsewhere, behind a link
        before = target.read_bytes().decode("utf-8") if target.exists() else ""
        text = merge_text(before, settings)
        if text != before:
            write_atomic(target, text, mode=target.stat().st_mode & 0o777 if before else 0o644)
    except ValueError as error:  # UnicodeDecodeError is one
        raise UsageError(
            f"{path} cannot be read: {error}", hint="Mend it, or copy what `envkit vscode` prints without --write."
        ) from error
    except OSError as error:
        raise VolumeError(
            f"{path} cannot be written: {error.strerror}", hint="Another one: --workspace DIR."
        ) from error
    return path, text != before

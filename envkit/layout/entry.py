"""``env.sh``: the script by which a shell or a container finds the volume."""

from __future__ import annotations

import shlex

from envkit.layout.atomic import write_atomic
from envkit.layout.volume import Volume
from envkit.paths import JUPYTER, LAUNCHER, PRIVATE

__all__ = ["write_entry_script"]

# Sourced by any POSIX shell, any number of times. Existing entries stay, behind the volume's own.
_SCRIPT = """\
# Written by envkit. Source it where a shell or a container starts: . VOLUME/env.sh
_envkit={root}
case ":${{CONDA_ENVS_PATH:-}}:" in *":$_envkit:"*) ;; *) CONDA_ENVS_PATH="$_envkit${{CONDA_ENVS_PATH:+:$CONDA_ENVS_PATH}}" ;; esac
case ":$PATH:" in *":$_envkit/{launcher}:"*) ;; *) PATH="$_envkit/{launcher}:$PATH" ;; esac
case ":${{JUPYTER_PATH:-}}:" in *":$_envkit/{jupyter}:"*) ;; *) JUPYTER_PATH="$_envkit/{jupyter}${{JUPYTER_PATH:+:$JUPYTER_PATH}}" ;; esac
export CONDA_ENVS_PATH PATH JUPYTER_PATH
unset _envkit
"""  # noqa: E501 - one case for each variable


def write_entry_script(volume: Volume) -> None:
    """Write ``env.sh``, unless it is up to date."""
    root = shlex.quote(str(volume.root))
    text = _SCRIPT.format(root=root, launcher=f"{PRIVATE}/{LAUNCHER}", jupyter=f"{PRIVATE}/{JUPYTER}")
    try:
        if volume.entry_script.read_text(encoding="utf-8") == text:
            return
    except (OSError, UnicodeDecodeError):
        pass
    write_atomic(volume.entry_script, text)

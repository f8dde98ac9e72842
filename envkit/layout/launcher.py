"""The launcher, envkit on the volume itself, and ``env.sh``, by which a shell or a container finds the volume."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from envkit.layout.atomic import sync_file_system, write_atomic
from envkit.layout.private import folder
from envkit.layout.trash import discard
from envkit.layout.volume import Volume
from envkit.paths import JUPYTER, LAUNCHER, PRIVATE

# It finds everything from its own place, through links and at any mount path.
_LAUNCHER = """\
#!/bin/sh
# Written by `envkit volume bootstrap`: envkit with the Python of this volume; the image needs neither.
self=$0
while [ -L "$self" ]; do
  target=$(readlink "$self")
  case $target in /*) self=$target ;; *) self=$(dirname "$self")/$target ;; esac
done
own=$(cd "$(dirname "$self")/../self/current" && pwd -P) || exit 7
exec "$own/python/bin/python" -I "$own/run.py" "$@"
"""

RUN_SCRIPT = """\
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "site"))

from envkit.__main__ import main

main()
"""


def own_python(volume: Volume) -> Path | None:
    """Return the generation that the launcher runs with, or None."""
    try:
        with folder(volume.root, volume.own) as own:
            home = os.readlink("current", dir_fd=own.descriptor)
            with own.enter(home) as current:
                target = os.readlink("python", dir_fd=current.descriptor)
    except (OSError, ValueError):  # not there; or not a name in it
        return None
    python = volume.generations / os.path.basename(target)  # noqa: PTH119 - the text of a link
    return python if python.is_dir() else None


def volume_launcher(volume: Volume, version: str) -> Path | None:
    """Return the launcher of a volume if the envkit that it starts is of that version, else None."""
    try:
        with folder(volume.root, volume.own) as own:
            home = os.readlink("current", dir_fd=own.descriptor)
    except (OSError, ValueError):
        return None
    return volume.binaries / "envkit" if home.rpartition("-")[0] == version else None


def own_script(package: Path) -> Path | None:
    """Return the script that starts an envkit on a volume, by its ``__init__.py``; None for one installed elsewhere."""
    script = package.parent.parent.parent / "run.py"
    return script if package.parent.parent.name == "site" and script.is_file() else None


def publish_launcher(volume: Volume, home: Path, python: Path) -> Path:
    """Make `home` the volume's copy of envkit, and discard the copy before it.

    One rename is the commit point: the launcher runs the old copy or the new one.
    """
    with folder(volume.root, volume.own) as own:
        with own.enter(home.name) as here:
            here.link_to("python", os.path.relpath(python, home))
        sync_file_system(home)
        temporary = f".current.{os.urandom(4).hex()}"
        own.link_to(temporary, home.name)
        own.move(temporary, own, "current")
        own.sync()
        with folder(volume.root, volume.binaries, make=True) as binaries:
            binaries.write("envkit", _LAUNCHER, mode=0o755)
        for name in own.names():
            if name != home.name and own.is_folder(name):
                discard(volume, volume.own / name)
    return volume.binaries / "envkit"


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

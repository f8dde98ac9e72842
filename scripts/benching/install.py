"""The envkit that is measured: installed from this checkout into a virtual environment, as users have it.

In a checkout's own environment, which is editable, each start pays for more: the hooks of what develops it, and parsing
of what has no bytecode yet.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from benching.measure import Say


class NotInstalledError(Exception):
    """The checkout cannot be installed; the message says why."""


def install_checkout(root: Path, venv: Path, say: Say) -> Path:
    """Install a checkout into a virtual environment where that has not been done; return its folder of programs.

    Raises:
        NotInstalledError: pip failed.
    """
    note, wanted = venv / "checkout", _digest(root)
    if not note.exists() or note.read_text() != wanted:
        say("installing this checkout")
        shutil.rmtree(venv, ignore_errors=True)
        python = venv / "bin" / "python"
        _run(sys.executable, "-m", "venv", "--upgrade-deps", venv)
        _run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", root)
        note.write_text(wanted)
    return venv / "bin"


def _digest(root: Path) -> str:
    """Return a digest of what is installed, and of the Python that it is installed for."""
    found = hashlib.sha256(sys.version.encode())
    folders = (root / "envkit", root / "recipes")
    files = [path for folder in folders for path in folder.rglob("*") if "__pycache__" not in path.parts]
    for path in sorted([root / "pyproject.toml", *(path for path in files if path.is_file())]):
        found.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


def _run(*words: str | Path) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(words, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotInstalledError(f"{' '.join(map(str, words))}: {done.stderr.strip()[-400:]}")

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
    note, wanted = venv / "checkout", _digests(root)
    known = note.read_text().split() if note.exists() else ["", ""]
    if known != wanted:
        say("installing this checkout")
        python = venv / "bin" / "python"
        pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        note.unlink(missing_ok=True)
        if known[0] == wanted[0]:
            _run(*pip, "--no-deps", "--force-reinstall", root)
        else:
            shutil.rmtree(venv, ignore_errors=True)
            _run(sys.executable, "-m", "venv", "--upgrade-deps", venv)
            _run(*pip, root)
        note.write_text("\n".join(wanted))
    return venv / "bin"


def _digests(root: Path) -> list[str]:
    """Return digests of what says which packages envkit needs, and for which Python, and of what is installed."""
    needs = hashlib.sha256(sys.version.encode() + (root / "pyproject.toml").read_bytes())
    found = needs.copy()
    files = [path for folder in (root / "envkit", root / "recipes") for path in folder.rglob("*")]
    for path in sorted(path for path in files if path.is_file() and "__pycache__" not in path.parts):
        found.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return [needs.hexdigest(), found.hexdigest()]


def _run(*words: str | Path) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(words, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotInstalledError(f"{' '.join(map(str, words))}: {done.stderr.strip()[-400:]}")

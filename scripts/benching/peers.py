"""The programs that envkit is measured beside: found on PATH or where a variable names them, or reported as missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

_BIN = Path(sys.executable).parent

ENVKIT = "envkit"
PYTHON = "python"
RATTLER = "py-rattler"
MICROMAMBA = "micromamba"
CONDA = "conda"
UV = "uv"
CP = "cp -al"
NO_BYTECODE = ", no bytecode"


@dataclass(frozen=True, slots=True)
class Peers:
    """Programs by name, with their versions; `missing` maps a name to how it can be had."""

    programs: Mapping[str, str]
    versions: Mapping[str, str]
    missing: Mapping[str, str]

    def __contains__(self, name: str) -> bool:
        return name in self.programs

    def without(self, names: Collection[str]) -> Peers:
        """Return the same without these."""
        left = {name: program for name, program in self.programs.items() if name not in names}
        return Peers(left, {name: self.versions[name] for name in left}, self.missing)


def find_peers(env: Mapping[str, str], own: Path = _BIN) -> Peers:
    """Look for every peer; ENVKIT_BENCH_MICROMAMBA and the like name one that is not on PATH.

    `own` is the folder of envkit and its Python.

    Raises:
        FileNotFoundError: A variable names what is not an executable file.
    """
    python = str(own / "python")
    programs = {ENVKIT: str(own / "envkit"), PYTHON: python, RATTLER: python}
    missing: dict[str, str] = {}
    for name in (MICROMAMBA, CONDA, UV, CP):
        command = name.split()[0]
        variable = f"ENVKIT_BENCH_{command.upper()}"
        named = env.get(variable)
        if named and not os.access(named, os.X_OK):
            raise FileNotFoundError(f"{variable}={named} is not an executable file")
        found = named or shutil.which(command, path=f"{own}{os.pathsep}{env.get('PATH', os.defpath)}")
        if found and (name != CP or _links(found)):
            programs[name] = str(Path(found).absolute())
        else:
            missing[name] = f"put it on PATH or name it with {variable}"
    return Peers(programs, {name: _version(name, path) for name, path in programs.items()}, missing)


def _links(program: str) -> bool:
    """Tell whether this cp can link instead of copying; the one of macOS cannot."""
    return "coreutils" in _output(program, "--version")


def _version(name: str, program: str) -> str:
    if name == RATTLER:
        return _output(program, "-c", "import rattler; print(rattler.__version__)")
    words = _output(program, "--version").split("\n")[0].split()
    return next((word for word in words if word[0].isdigit()), "?")


def _output(*words: str) -> str:
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.strip()

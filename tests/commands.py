"""Run the command line as users do: a process with a clean environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from channels import Package, write_channel

_TIMEOUT_S = 120.0
_KEPT = ("PATH", "TMPDIR", "LANG", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.out)
        return document


@dataclass(frozen=True)
class Shell:
    """A volume, a channel and a home directory to run commands with."""

    volume: Path
    channel: Path
    home: Path
    timeout_s: float = _TIMEOUT_S

    @classmethod
    def below(cls, folder: Path) -> Shell:
        (folder / "home").mkdir(parents=True)
        return cls(folder / "volume", folder / "channel", folder / "home")

    def publish(self, *packages: Package) -> None:
        """Make the channel hold these packages."""
        write_channel(self.channel, packages)

    def env(self, **more: str) -> dict[str, str]:
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        return {**kept, "HOME": str(self.home), "CONDA_ENVS_PATH": str(self.volume), "NO_COLOR": "1", **more}

    def run(self, *args: str, **more: str) -> Outcome:
        """Run ``envkit ARGS``; `more` are variables.

        A new interpreter each time: the native engine has threads, which a fork of this process would lack.
        """
        done = subprocess.run(
            [sys.executable, "-m", "envkit", *args],
            env=self.env(**more),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=self.timeout_s,
            check=False,
        )
        return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())

    def ok(self, *args: str, **more: str) -> Outcome:
        """The same, and it must succeed."""
        outcome = self.run(*args, **more)
        assert outcome.code == 0, f"envkit {' '.join(args)} ended with {outcome.code}:\n{outcome.out}\n{outcome.err}"
        return outcome

    def create(self, *specs: str, name: str = "demo", args: tuple[str, ...] = ()) -> dict[str, Any]:
        """Make an environment from the channel."""
        return self.ok(
            "create", *specs, "-n", name, "-c", str(self.channel), "--override-channels", "--json", *args
        ).json

    def prefix(self, name: str = "demo") -> Path:
        return (self.volume / name).resolve()

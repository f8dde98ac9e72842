"""Run the command line as users do: a process with a clean environment of its own."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import rattler  # noqa: F401 - as above
from channels import Package, write_channel

import envkit.api.change
import envkit.api.clean
import envkit.api.doctor
import envkit.cli.output
import envkit.cli.validate  # noqa: F401 - loaded once, for every command that is forked from here
from envkit.cli.app import run

_KEPT = ("PATH", "TMPDIR", "LANG", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")


def _become(args: Sequence[str], env: Mapping[str, str], out: int, err: int) -> NoReturn:
    """Be the command; never return into the test."""
    try:
        os.environ.clear()
        os.environ.update(env)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        sys.stdin = os.fdopen(0)
        sys.stdout = os.fdopen(1, "w", encoding="utf-8")
        sys.stderr = os.fdopen(2, "w", encoding="utf-8")
        signal.alarm(0)
        run(args)
    finally:
        os._exit(99)


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

        The process is a fork of this one, in which what the commands import is loaded: most of a command's time.
        """
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # a server's thread of another test may be there
                pid = os.fork()
            if pid == 0:
                _become(args, self.env(**more), out.fileno(), err.fileno())
            _, status = os.waitpid(pid, 0)
            out.seek(0)
            err.seek(0)
            return Outcome(os.waitstatus_to_exitcode(status), out.read().decode(), err.read().decode())

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

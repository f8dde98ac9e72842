"""The real thing under test: envkit as a child process, on a volume of its own; loopback servers; real channels."""

from __future__ import annotations

import atexit
import contextlib
import functools
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest
from channels import Package, write_channel
from forkserver import ForkServer

ROOT = Path(__file__).parent.parent
ENVKIT = (sys.executable, "-m", "envkit")
TIMEOUT_S = 120.0
_KEPT = {
    "PATH",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "PYTEST_DEBUG_TEMPROOT",
    "COVERAGE_PROCESS_START",
    "COVERAGE_PROCESS_CONFIG",
}
_KEPT_PREFIXES = ("OPENBLAS", "SSL_", "PIP_", "REQUESTS_", "COV_")


def kept_variables() -> dict[str, str]:
    """The variables of this process without those that steer envkit or conda."""
    return {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith(_KEPT_PREFIXES)}


@dataclass(frozen=True)
class Outcome:
    """What a program printed and how it ended: its exit code, negative for a signal."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def run_program(
    words: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path | None = None, timeout_s: float = TIMEOUT_S
) -> Outcome:
    """Run a program without input: envkit in a fork of a process that has imported it where that fits."""
    command = list(map(str, words))
    if tuple(command[: len(ENVKIT)]) == ENVKIT and _FORKS.fits(env, cwd):
        code, out, err = _FORKS.run(command[len(ENVKIT) :], env=env, cwd=cwd, timeout_s=timeout_s)
        return Outcome(code, out.decode(), err.decode())
    done = subprocess.run(
        command,
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=timeout_s,
        check=False,
    )
    return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())


_FORKS = ForkServer({**kept_variables(), "LC_ALL": "C.UTF-8"})
atexit.register(_FORKS.close)

Envkit = Callable[..., Outcome]


@dataclass(frozen=True)
class Shell:
    """A volume, a channel and a home directory to run commands with."""

    volume: Path
    channel: Path
    home: Path
    timeout_s: float = TIMEOUT_S

    @classmethod
    def below(cls, folder: Path) -> Shell:
        (folder / "home").mkdir(parents=True)
        return cls(folder / "volume", folder / "channel", folder / "home")

    def publish(self, *packages: Package) -> None:
        """Make the channel hold these packages, in another second than before: dates of HTTP have no fractions."""
        before = {index: index.stat().st_mtime for index in self.channel.glob("*/repodata.json")}
        write_channel(self.channel, packages)
        for index, moment in before.items():
            later = max(index.stat().st_mtime, moment + 1)
            os.utime(index, (later, later))

    def env(self, **more: str) -> dict[str, str]:
        own = {"HOME": str(self.home), "CONDA_ENVS_PATH": str(self.volume), "NO_COLOR": "1"}
        return {**kept_variables(), **own, **more}

    def run(self, *args: str, **more: str) -> Outcome:
        """Run ``envkit ARGS``; `more` are variables."""
        return run_program([*ENVKIT, *args], env=self.env(**more), timeout_s=self.timeout_s)

    def ok(self, *args: str, **more: str) -> Outcome:
        """The same, and it must succeed."""
        outcome = self.run(*args, **more)
        assert outcome.code == 0, f"envkit {' '.join(args)} ended with {outcome.code}:\n{outcome.out}\n{outcome.err}"
        return outcome

    def create(self, *specs: str, name: str = "demo", args: tuple[str, ...] = ()) -> dict[str, Any]:
        """Make an environment from the channel."""
        words = ("create", *specs, "-n", name, "-c", str(self.channel), "--override-channels", "--json", *args)
        document: dict[str, Any] = self.ok(*words).json
        return document

    def prefix(self, name: str = "demo") -> Path:
        return (self.volume / name).resolve()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """A handler of static files that prints nothing."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve a folder on loopback; the value is its URL."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(QuietHandler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def build_wheel_channel(out: Path, requirements: Sequence[str], *options: str) -> Path:
    """Run the script that makes a channel out of wheels."""
    words = [sys.executable, str(ROOT / "scripts" / "wheel_channel.py"), str(out), *options, *requirements]
    done = run_program(words, env=os.environ, timeout_s=3600)
    if done.code and "Debian" in done.err:
        pytest.skip("this Python is Debian's own, which cannot be packed: run with another PYTHON")
    assert done.code == 0, done.err
    return out


def _real_channels() -> Path | None:
    named = os.environ.get("ENVKIT_TEST_CHANNELS")
    candidates = [Path(named)] if named else [parent / "shared" / "channels" for parent in ROOT.parents[:2]]
    return next((path for path in candidates if (path / "conda-forge").is_dir()), None)


REAL_CHANNELS = _real_channels()  # read before a test's isolation takes the variable away
"""The folder with real channel indexes, where it lies beside the checkout or ENVKIT_TEST_CHANNELS names it."""


def find_python(version: str, *options: str) -> str | None:
    """An interpreter of that version that starts: on PATH, or kept by pyenv.

    The value is the interpreter itself: a shim of pyenv starts it only with the home directory that it was set up for.
    """
    candidates = [shutil.which(f"python{version}")]
    if pyenv := shutil.which("pyenv"):
        names = subprocess.run([pyenv, "versions", "--bare"], check=False, capture_output=True, text=True).stdout
        for name in names.split():
            if name.startswith(f"{version}."):
                found = subprocess.run([pyenv, "prefix", name], check=False, capture_output=True, text=True).stdout
                candidates.append(f"{found.strip()}/bin/python{version}")
    code = "import sys, ctypes; print('%d.%d' % sys.version_info[:2]); print(sys.executable)"
    for candidate in candidates:
        if candidate and Path(candidate).exists():
            ran = subprocess.run([candidate, *options, code], check=False, capture_output=True, text=True)
            said, _, program = ran.stdout.strip().partition("\n")
            if said == version and Path(program).is_file():
                return program
            _UNUSABLE[version] = f"{candidate}: {ran.stderr.strip() or f'ended with {ran.returncode}'}"
    return None


_UNUSABLE: dict[str, str] = {}


def skip_without_python(version: str) -> NoReturn:
    """Skip a test that `find_python` found nothing for, with what an interpreter that does not start said itself."""
    said = " ".join(_UNUSABLE.get(version, "none on PATH or of pyenv").split())
    pytest.skip(f"no Python {version} that starts: {said}")

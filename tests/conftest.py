"""Fixtures that all tests share: isolation, the command line as a child, channels over loopback HTTP."""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
KEPT = {"PATH", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"}
KEPT_PREFIXES = ("OPENBLAS", "SSL_", "PIP_", "REQUESTS_", "COV_")


@pytest.fixture(autouse=True)
def isolation(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and none of the variables that steer envkit or conda; yields the home."""
    for name in list(os.environ):
        if name not in KEPT and not name.startswith(KEPT_PREFIXES):
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    return home


@dataclass(frozen=True)
class Outcome:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Envkit = Callable[..., Outcome]


@pytest.fixture
def envkit(isolation: Path, tmp_path: Path) -> Envkit:
    """The real command line in a child process."""
    del isolation

    def run(
        *args: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None, timeout_s: float = 120
    ) -> Outcome:
        done = subprocess.run(
            [sys.executable, "-m", "envkit", *map(str, args)],
            env={**os.environ, **(env or {})},
            cwd=cwd or tmp_path,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
        return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


class _Quiet(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve a folder on loopback; the value is its URL."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="session")
def wheel_channel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A channel of real packages: python, pip, numpy, rich. Built once; skipped where its Python cannot be packed."""
    out = tmp_path_factory.mktemp("wheel-channel")
    return build_wheel_channel(out, ["numpy", "rich"])


def build_wheel_channel(out: Path, requirements: Sequence[str], *options: str) -> Path:
    """Run the script that makes a channel out of wheels."""
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "wheel_channel.py", str(out), *options, *requirements],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and "Debian" in done.stderr:
        pytest.skip("this Python is Debian's own, which cannot be packed: run with another PYTHON")
    assert done.returncode == 0, done.stderr
    return out


def real_channels() -> Path | None:
    """The folder with real channel indexes, when it lies beside the checkout or ENVKIT_TEST_CHANNELS names it."""
    named = os.environ.get("ENVKIT_TEST_CHANNELS")
    candidates = [Path(named)] if named else [parent / "shared" / "channels" for parent in ROOT.parents[:2]]
    return next((path for path in candidates if (path / "conda-forge").is_dir()), None)


@pytest.fixture(scope="session")
def index_server() -> Iterator[str]:
    """The real channel indexes over loopback HTTP; its URL is a channel alias."""
    folder = real_channels()
    if folder is None:
        pytest.skip("no real channel indexes: name their folder with ENVKIT_TEST_CHANNELS")
    with serve(folder) as url:
        yield url

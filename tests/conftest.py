"""Fixtures that all tests share: isolation, the command line as a child, channels over loopback HTTP."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from harness import Envkit, Outcome, build_wheel_channel, real_channels, serve

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # A shell starts what it puts in the background with SIGINT ignored, and children inherit that: no test of an
    # interruption could pass.
    signal.signal(signal.SIGINT, signal.default_int_handler)

KEPT = {
    "PATH",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "PYTEST_DEBUG_TEMPROOT",
    "COVERAGE_PROCESS_START",
    "COVERAGE_PROCESS_CONFIG",
}
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


@pytest.fixture(scope="session")
def wheel_channel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A channel of real packages: python, pip, numpy, rich. Built once; skipped where its Python cannot be packed."""
    out = tmp_path_factory.mktemp("wheel-channel")
    return build_wheel_channel(out, ["numpy", "rich"])


@pytest.fixture(scope="session")
def index_server() -> Iterator[str]:
    """The real channel indexes over loopback HTTP; its URL is a channel alias."""
    folder = real_channels()
    if folder is None:
        pytest.skip("no real channel indexes: name their folder with ENVKIT_TEST_CHANNELS")
    with serve(folder) as url:
        yield url

"""The preloaded library, and the bench that uses it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench import Bench
from harness import Shell, build_wheel_channel

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that counts, compiled here."""
    if not sys.platform.startswith("linux"):
        pytest.skip("LD_PRELOAD and /proc are Linux's")
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    out = tmp_path_factory.mktemp("faults") / "faults.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-w", "-o", out, HERE / "faults.c", "-ldl"], check=True)
    return out


@pytest.fixture
def bench(tmp_path: Path, library: Path) -> Iterator[Bench]:
    shell = Shell.below(tmp_path)
    shell.channel.mkdir()
    log = tmp_path / "asked"
    log.touch()
    server = subprocess.Popen(
        [sys.executable, HERE / "archive_server.py", shell.channel, log], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        yield Bench(shell, f"http://127.0.0.1:{int(server.stdout.readline())}", log, library, tmp_path)
    finally:
        server.kill()
        server.communicate()


@pytest.fixture(scope="session")
def releases(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A channel with Python, rich and idna, and one that has newer ones beside them."""
    folder = tmp_path_factory.mktemp("releases")
    old = build_wheel_channel(folder / "old", ["rich==14.0.0", "idna==3.10"])
    shutil.copytree(old, folder / "new")
    return old, build_wheel_channel(folder / "new", ["rich==14.1.0", "idna==3.11"])


@pytest.fixture(autouse=True)
def space() -> None:
    """Each point makes environments; a full disk would look like a fault of envkit."""
    if shutil.disk_usage(os.environ.get("TMPDIR", "/tmp")).free < 2 << 30:
        pytest.skip("less than 2 GB free")

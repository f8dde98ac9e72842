"""What tests use to run the real thing: the command line's outcome, loopback servers, channels."""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent


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

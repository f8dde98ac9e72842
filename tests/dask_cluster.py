"""A Dask scheduler and workers on this machine, each worker on a host of its own name: real programs."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_PORT_LINE = "Scheduler at:"
_IDLE = {  # or four idle processes take a tenth of a core, for as long as they live
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
    "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "1s",
    "DASK_DISTRIBUTED__ADMIN__SYSTEM_MONITOR__INTERVAL": "10s",
    "DASK_DISTRIBUTED__SCHEDULER__WORK_STEALING": "False",
}


def missing() -> str | None:
    """Why there can be no such cluster here."""
    if shutil.which("unshare") is None:
        return "hosts of their own names need unshare"
    made = subprocess.run([*_named("probe"), "true"], capture_output=True, check=False)
    return None if made.returncode == 0 else "this user may not give a process a host name of its own (unshare --uts)"


@dataclass
class DaskCluster:
    """Running programs.

    Attributes:
        address: Of the scheduler, as ``--via`` takes it.
        workers: The worker of each host.
    """

    root: Path
    address: str = ""
    workers: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    scheduler: subprocess.Popen[str] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    _started: int = 0

    def add(self, host: str, *, python: str = sys.executable, options: Sequence[str] = ()) -> None:
        """Start a worker on a new host."""
        self._started += 1
        ip = f"127.0.0.{self._started + 10}"
        words = [*_dask(python, "worker"), self.address.replace("dask:", "tcp:"), "--host", ip, "--no-nanny"]
        words += ["--nthreads", "1", "--no-dashboard", "--local-directory", str(self.root / host), *options]
        self.workers[host] = _start([*_named(host), *words], self.environment)
        _await(self.workers[host], "Registered to")

    def lose(self, host: str) -> None:
        """Kill the worker of a host."""
        _kill(self.workers.pop(host))

    def send(self, number: int) -> None:
        """Send a signal to all programs."""
        for process in (*self.workers.values(), self.scheduler):
            if process is not None:
                process.send_signal(number)

    def stop(self) -> None:
        for process in (*self.workers.values(), self.scheduler):
            if process is not None:
                _kill(process)


@contextmanager
def start(root: Path, hosts: Sequence[str], *, python: str = sys.executable, **more: str) -> Iterator[DaskCluster]:
    """Start a scheduler and a worker for each host; `more` are variables of all of them."""
    cluster = DaskCluster(root, environment={**os.environ, "PYTHONUNBUFFERED": "1", **_IDLE, **more})
    try:
        port = _free_port()
        words = ["--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
        cluster.scheduler = _start([*_dask(python, "scheduler"), *words], cluster.environment)
        _await(cluster.scheduler, _PORT_LINE)
        cluster.address = f"dask://127.0.0.1:{port}"
        for host in hosts:
            cluster.add(host, python=python)
        yield cluster
    finally:
        cluster.stop()


def _kill(process: subprocess.Popen[str]) -> None:
    process.kill()  # a stopped one, too
    process.communicate()


def _named(host: str) -> list[str]:
    rights = [] if os.geteuid() == 0 else ["--map-root-user"]
    return ["unshare", *rights, "--uts", "sh", "-c", f'hostname {host} && exec "$@"', "sh"]


def _dask(python: str, what: str) -> list[str]:
    return [python, "-W", "ignore", "-m", "distributed.cli.dask_" + what]


def _start(words: Sequence[str], env: Mapping[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=dict(env))


def _await(process: subprocess.Popen[str], words: str) -> None:
    """Wait for a line of its log."""
    said = ""
    for line in process.stderr or ():
        said += line
        if words in line:
            return
    raise AssertionError(f"it ended: {said}")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])

"""Processes of envkit at the price of a fork: a server that has imported envkit forks itself for each command line.

A child is a process like any other: its own memory, working directory, variables, streams and exit status. It runs
``-m envkit`` as a new interpreter would, without the 0.1 to 0.2 s that starting one and importing take. What an
interpreter, the C library or the dynamic linker reads only at a start does not change in a fork, so `ForkServer.fits`
leaves such commands to new interpreters. The server runs nothing itself and has no threads, which a fork would lack.

    forkserver.py DESCRIPTOR

A request on that socket is four bytes of length and JSON, with the descriptors of standard output, standard error and
of a pipe. There the server writes the id of the process, and when it has ended its status as waitpid(2) gives it.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import envkit

_AT_START = ("PYTHON", "LC_", "LANG", "LD_", "GLIBC_", "MALLOC_", "OPENSSL_", "TZ", "COVERAGE_", "COV_", "GCONV_")
"""What the names of variables begin with that are read while a process starts."""

_LEFT_OUT = {
    *("envkit.__main__", "envkit.conda_plugin", "envkit.client.start", "envkit.host.child"),  # programs
    *("envkit.cli.typed", "envkit.cli.markdown"),  # typer and rich read variables as they are imported
    "envkit.jupyter",  # it is for the Python of Jupyter
}
_ALSO = ("asyncio", "msgspec", "rattler", "ssl", "yaml", "zstandard")  # which envkit imports inside functions
_PACKAGE = Path(envkit.__file__).parent
_LENGTH = struct.Struct("!I")


class ForkServer:
    """A server, started by the first command that it is asked for, and the commands that run in its forks.

    Args:
        env: The variables that count at a start; a command with others needs a new interpreter.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = {name: value for name, value in env.items() if name.startswith(_AT_START)}
        self._started: tuple[subprocess.Popen[bytes], socket.socket] | None = None
        self._lock = threading.Lock()

    def fits(self, env: Mapping[str, str], cwd: Path | None) -> bool:
        """Return whether a fork runs a command as a new interpreter would.

        A module in the working directory, which ``-m`` puts first on the path, would be imported by a new one only.
        """
        if not hasattr(os, "pidfd_open") or self._env != {n: v for n, v in env.items() if n.startswith(_AT_START)}:
            return False
        try:
            with os.scandir(cwd or ".") as entries:
                return not any(
                    entry.name.endswith((".py", ".so")) or Path(entry.path, "__init__.py").exists()
                    for entry in entries
                    if entry.name != _PACKAGE.name or not _PACKAGE.samefile(entry.path)
                )
        except OSError:
            return False

    def run(
        self, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path | None, timeout_s: float
    ) -> tuple[int, bytes, bytes]:
        """Run ``envkit ARGV``; return its exit code, negative for a signal, and what it printed on both streams.

        Raises:
            subprocess.TimeoutExpired: It did not end in time, and was killed.
        """
        order = {"argv": list(argv), "env": dict(env), "cwd": str(cwd or Path.cwd()), "umask": _umask()}
        pipes = [os.pipe() for _ in range(3)]
        try:
            self._send(json.dumps(order).encode(), [theirs for _, theirs in pipes])
        finally:
            for _, theirs in pipes:
                os.close(theirs)
        try:
            return _listen([ours for ours, _ in pipes], ["envkit", *argv], timeout_s)
        finally:
            for ours, _ in pipes:
                os.close(ours)

    def close(self) -> None:
        """End the server, which lets running commands end by themselves."""
        with self._lock:
            if self._started is not None:
                process, connection = self._started
                connection.close()
                process.wait()
                self._started = None

    def _send(self, message: bytes, descriptors: list[int]) -> None:
        with self._lock:
            if self._started is None:
                ours, theirs = socket.socketpair()
                with theirs:
                    words = [sys.executable, __file__, str(theirs.fileno())]
                    env = {"HOME": "/nonexistent", **self._env}
                    pass_fds = [theirs.fileno()]
                    self._started = (
                        subprocess.Popen(words, env=env, stdin=subprocess.DEVNULL, pass_fds=pass_fds),
                        ours,
                    )
            connection = self._started[1]
            data = _LENGTH.pack(len(message)) + message
            sent = socket.send_fds(connection, [data], descriptors)
            connection.sendall(data[sent:])


def _umask() -> int:
    status = Path("/proc/self/status").read_text()  # os.umask would change it, for other threads too
    return int(status.partition("\nUmask:")[2].split()[0], 8)


def _listen(ours: list[int], words: list[str], timeout_s: float) -> tuple[int, bytes, bytes]:
    """Read what a command prints, and what the server tells of it, until all three pipes are closed."""
    read: dict[int, bytearray] = {descriptor: bytearray() for descriptor in ours}
    out, err, told = (read[descriptor] for descriptor in ours)
    deadline = time.monotonic() + timeout_s
    ended = False
    try:
        with selectors.DefaultSelector() as selector:
            for descriptor in ours:
                selector.register(descriptor, selectors.EVENT_READ)
            while selector.get_map() and time.monotonic() < deadline:
                for key, _ in selector.select(max(0.0, deadline - time.monotonic())):
                    data = os.read(key.fd, 65536)
                    read[key.fd] += data
                    if not data:
                        selector.unregister(key.fd)
            ended = not selector.get_map()
    finally:
        if not ended:
            _kill(told, ours[2])
    if not ended:
        raise subprocess.TimeoutExpired(words, timeout_s, bytes(out), bytes(err))
    _, status = told.split()
    return os.waitstatus_to_exitcode(int(status)), bytes(out), bytes(err)


def _kill(told: bytearray, source: int) -> None:
    """Kill the command that the server tells of, unless it has ended."""
    while b"\n" not in told:
        told += os.read(source, 64) or b"\n"
    pid, _, status = told.partition(b"\n")
    if pid and not status:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)


def _preload() -> None:
    """Import what commands import."""
    for module in pkgutil.walk_packages(envkit.__path__, "envkit."):
        if module.name not in _LEFT_OUT and not module.name.startswith("envkit.probes"):
            importlib.import_module(module.name)
    for name in _ALSO:
        importlib.import_module(name)
    threads = os.listdir("/proc/self/task")
    assert len(threads) == 1, "what envkit imports starts threads: a fork would lack them"
    gc.collect()
    gc.freeze()  # what is not looked at is not copied


def _serve(connection: socket.socket) -> dict[str, Any] | None:
    """Answer requests until nobody can ask any more; in a child, return what it is to run."""
    children: dict[int, tuple[int, int]] = {}
    selector = selectors.DefaultSelector()
    selector.register(connection, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fd in children:
                selector.unregister(key.fd)
                pid, report = children.pop(key.fd)
                with contextlib.suppress(BrokenPipeError):
                    os.write(report, b"%d\n" % os.waitpid(pid, 0)[1])
                os.close(report)
                os.close(key.fd)
                continue
            order, descriptors = _receive(connection)
            if order is None:
                return None
            *streams, report = descriptors
            pid = os.fork()
            if pid == 0:
                selector.close()
                connection.detach()
                for number, stream in enumerate(streams, 1):
                    os.dup2(stream, number)
                os.closerange(3, max([*descriptors, *children, *(report for _, report in children.values())]) + 10)
                return order
            for stream in streams:
                os.close(stream)
            with contextlib.suppress(BrokenPipeError):
                os.write(report, b"%d\n" % pid)
            watched = os.pidfd_open(pid)
            children[watched] = (pid, report)
            selector.register(watched, selectors.EVENT_READ)


def _receive(connection: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    data, descriptors, _, _ = socket.recv_fds(connection, _LENGTH.size, 3)
    if not data:
        return None, []
    (length,) = _LENGTH.unpack(data)
    message = bytearray()
    while len(message) < length:
        message += connection.recv(length - len(message))
    return json.loads(message), descriptors


def _become(order: Mapping[str, Any]) -> None:
    """Make this process what a new interpreter would be that was started with the same."""
    os.umask(order["umask"])
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["cwd"])
    sys.path[0] = str(Path.cwd())
    sys.argv[1:] = order["argv"]
    sys.orig_argv[:] = [sys.executable, "-m", "envkit", *order["argv"]]


def _main() -> None:
    connection = socket.socket(fileno=int(sys.argv[1]))
    os.set_inheritable(connection.fileno(), False)  # noqa: FBT003 - positional only
    try:
        _preload()
        order = _serve(connection)
    except KeyboardInterrupt:  # Ctrl-C reaches all of the group; the tests answer it
        return
    if order is not None:
        _become(order)
        runpy.run_module("envkit", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main()

"""Run a child process within limits: of time, of output, and of what it leaves behind.

Each child leads a process group, which is killed as a whole: at the time limit, when this process is interrupted, and
when the child ends and others of its group do not. Imports the standard library only.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Literal

from envkit.tuples import NamedTuple

ChildState = Literal["done", "failed", "crashed", "timed-out", "flooded", "not-started"]

_KILL_GRACE_S = 5.0  # a process inside the kernel ignores SIGKILL until it returns
_DRAIN_S = 1.0
_POLL_S, _FIRST_POLL_S = 0.05, 0.001
_CHUNK_BYTES = 1 << 16

_running: set[int] = set()
_MARK = "_envkit_child"


class ChildResult(NamedTuple):
    """The end of a child process, and its output.

    Attributes:
        state: ``done``: exit status 0. ``failed``: another exit status. ``crashed``: a signal not sent from here.
            ``timed-out`` and ``flooded``: killed at a limit. ``not-started``: see `error`.
        command: The arguments it was started with.
        stderr: Its standard error, or the end of it.
        trace: Its output on the third pipe.
        exit_code: Its exit status; None when a signal ended it.
        signal: Name of the signal that ended it, such as ``SIGSEGV``.
        error: Why it could not be started.
        reaped: False when it outlived SIGKILL.
    """

    state: ChildState
    command: tuple[str, ...] = ()
    stdout: bytes = b""
    stderr: bytes = b""
    trace: bytes = b""
    exit_code: int | None = None
    signal: str | None = None
    error: OSError | None = None
    elapsed_s: float = 0.0
    reaped: bool = True

    @property
    def text(self) -> str:
        """Standard output as text."""
        return self.stdout.decode("utf-8", "replace")

    @property
    def error_text(self) -> str:
        """Standard error as text."""
        return self.stderr.decode("utf-8", "replace")

    @property
    def ending(self) -> str:
        """Describe its end, as in ``was ended by SIGSEGV``; empty for exit status 0."""
        return {
            "failed": f"ended with exit status {self.exit_code}",
            "crashed": f"was ended by {self.signal}",
            "timed-out": "ran into the time limit",
            "flooded": "wrote too much",
            "not-started": f"could not be started: {self.error}",
        }.get(self.state, "")


def run_child(
    command: Sequence[str | os.PathLike[str]],
    *,
    timeout_s: float | None,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    output_limit: int | None = None,
    stderr_tail: int | None = None,
    trace_flag: str | None = None,
    on_stderr: Callable[[bytes], object] | None = None,
    grace_s: float = 0.0,
    strays: bool = False,
) -> ChildResult:
    """Run a program to its end, whatever it does.

    The end of the child counts, not that of its pipes: a grandchild that keeps one open does not hold this call up.

    Args:
        command: The program and its arguments; they show in process lists, so they carry no secret.
        env: All of its environment variables; None for those of this process.
        stdin: Written to its standard input, which stays open until it ends; None for an empty one. It is written
            before any output is read and outside the time limit, so keep it below what a pipe holds (64 KiB).
        output_limit: Bytes of standard output, and of the trace, above which it is killed.
        stderr_tail: Keep only so many bytes of standard error, the last ones.
        trace_flag: Give it a third pipe to write to: this argument and a descriptor are added to the command.
        on_stderr: Called with standard error as it comes, instead of keeping it.
        grace_s: Seconds from SIGTERM to SIGKILL when it is cut short.
        strays: Kill in the end what it started and what has left its group too (setsid(2)), found by a variable in
            their environment; on Linux only.

    Returns:
        The result. Nothing that a child does raises. Errors of `on_stderr` and of signal handlers are raised when the
        child has been ended.
    """
    words = [os.fspath(word) for word in command]
    with contextlib.ExitStack() as stack:
        trace: IO[bytes] | None = None
        inherited: tuple[int, ...] = ()
        closing = stack.enter_context(contextlib.ExitStack())
        if trace_flag is not None:
            read_fd, write_fd = os.pipe()
            trace = stack.enter_context(os.fdopen(read_fd, "rb", buffering=0))
            closing.callback(os.close, write_fd)
            inherited = (write_fd,)
            words += [trace_flag, str(write_fd)]
        started = time.monotonic()
        mark = f"{_MARK}={os.urandom(8).hex()}" if strays else None
        if mark is not None:
            env = {**(os.environ if env is None else env), _MARK: mark.partition("=")[2]}
            stack.callback(_kill_marked, mark.encode())
        try:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=None if env is None else dict(env),
                pass_fds=inherited,
                start_new_session=True,
                bufsize=0,
            )
        except OSError as error:
            return ChildResult("not-started", tuple(words), error=error)
        closing.close()
        child = _Child(process, trace, output_limit, stderr_tail, on_stderr)
        cut = child.watch(stdin, None if timeout_s is None else started + timeout_s, grace_s)
    status = process.returncode
    crashed = cut is None and status is not None and status < 0
    return ChildResult(
        cut or ("crashed" if crashed else "failed" if status else "done"),
        tuple(words),
        bytes(child.stdout),
        bytes(child.stderr),
        bytes(child.trace),
        exit_code=status if status is not None and status >= 0 else None,
        signal=_signal_name(-status) if crashed else None,
        elapsed_s=time.monotonic() - started,
        reaped=child.reaped,
    )


def _kill_marked(mark: bytes) -> None:
    """Kill the processes that have a variable in their environment."""
    try:
        names = os.listdir("/proc")
    except OSError:
        return
    for name in names:
        if not name.isdigit() or int(name) == os.getpid():
            continue
        with contextlib.suppress(OSError):  # it has ended, or is another user's
            with open(f"/proc/{name}/environ", "rb") as file:
                marked = mark in file.read().split(b"\0")
            if marked:
                os.kill(int(name), signal.SIGKILL)


def usable_processors() -> int:
    """Return how many processors this process may use: its affinity, within the quota of its cgroup, rounded up."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError, IndexError):
        with open("/sys/fs/cgroup/cpu.max", encoding="ascii") as file:
            quota, period = file.read().split()[:2]  # "max 100000" without one
        count = min(count, -(-int(quota) // int(period)))
    return max(1, count)


def kill_children() -> None:
    """Kill every running child and its group; for a process that leaves at once."""
    for group in tuple(_running):
        with contextlib.suppress(OSError):
            os.killpg(group, signal.SIGKILL)


class LineChild:
    """A child that is asked by one line on its standard input and answers by one on its standard output.

    It ends when it is closed; should this process end first, its input ends. Its standard error is dropped. One thread
    asks and closes it; any thread may kill it.

    Raises:
        OSError: It cannot be started.
    """

    def __init__(
        self, command: Sequence[str | os.PathLike[str]], *, env: Mapping[str, str], inherited: Sequence[int] = ()
    ) -> None:
        self._process = subprocess.Popen(
            [os.fspath(word) for word in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(env),
            pass_fds=inherited,
            start_new_session=True,
            bufsize=0,
        )
        self._rest = b""
        _running.add(self._process.pid)

    def hear(self, timeout_s: float) -> bytes:
        """Return its next line.

        Raises:
            EOFError: It has ended.
            TimeoutError: It took too long.
        """
        pipe: IO[bytes] = self._process.stdout  # type: ignore[assignment]
        deadline = time.monotonic() + timeout_s
        parts = [self._rest]
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while b"\n" not in parts[-1]:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise TimeoutError
                parts.append(os.read(pipe.fileno(), _CHUNK_BYTES))
                if not parts[-1]:
                    raise EOFError
        line, _, self._rest = b"".join(parts).partition(b"\n")
        return line

    def ask(self, line: bytes, timeout_s: float) -> bytes:
        """Return its answer to a line; see `hear`."""
        self.tell(line)
        return self.hear(timeout_s)

    def tell(self, line: bytes) -> None:
        """Write a line to it; see `hear`."""
        left = line + b"\n"
        try:
            while left:
                left = left[os.write(self._process.stdin.fileno(), left) :]  # type: ignore[union-attr]
        except BrokenPipeError as error:
            raise EOFError from error

    def kill(self) -> None:
        """Kill it and its group."""
        if self._process.pid in _running:
            with contextlib.suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Kill it, and wait for its end."""
        self.kill()
        _running.discard(self._process.pid)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_KILL_GRACE_S)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


class _Child:
    """A running child and its output so far."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        trace: IO[bytes] | None,
        output_limit: int | None,
        stderr_tail: int | None,
        on_stderr: Callable[[bytes], object] | None,
    ) -> None:
        if process.stdout is None or process.stderr is None:
            raise AssertionError("started with pipes")
        self.process = process
        _running.add(process.pid)
        self.stdout, self.stderr, self.trace = bytearray(), bytearray(), bytearray()
        self.reaped = False
        self._pipes: dict[IO[bytes], bytearray] = {process.stdout: self.stdout, process.stderr: self.stderr}
        if trace is not None:
            self._pipes[trace] = self.trace
        self._output_limit = output_limit
        self._stderr_tail = stderr_tail
        self._on_stderr = on_stderr

    def watch(self, stdin: bytes | None, deadline: float | None, grace_s: float) -> ChildState | None:
        """Read until the child ends, the deadline passes or it writes too much; None when it ended by itself."""
        try:
            if self.process.stdin is not None and stdin:
                with contextlib.suppress(BrokenPipeError):  # it has ended already; its output says why
                    while stdin:
                        stdin = stdin[os.write(self.process.stdin.fileno(), stdin) :]
            if os.name == "nt":  # pipes cannot be polled there
                return self._communicate(deadline)
            return self._poll(deadline)
        finally:
            self._end(grace_s)

    def _poll(self, deadline: float | None) -> ChildState | None:
        pause_s = _FIRST_POLL_S
        with selectors.DefaultSelector() as selector:
            for pipe in self._pipes:
                os.set_blocking(pipe.fileno(), False)
                selector.register(pipe, selectors.EVENT_READ)
            while True:
                over = self._has_ended()  # asked before reading, so that all it wrote before its end is read
                left_s = pause_s if deadline is None else max(0.0, deadline - time.monotonic())
                heard = self._read(selector, 0.0 if over else min(pause_s, left_s))
                pause_s = _FIRST_POLL_S if heard else min(pause_s * 2, _POLL_S)
                if over:
                    return None
                if self._floods():
                    return "flooded"
                if deadline is not None and time.monotonic() >= deadline:
                    return "timed-out"

    def _read(self, selector: selectors.BaseSelector, wait_s: float) -> bool:
        """Read all that is in the pipes, after at most `wait_s`, and return whether there was anything."""
        found = False
        enough = time.monotonic() + _DRAIN_S  # endless output must not keep us from the clock
        while (ready := selector.select(wait_s)) and time.monotonic() < enough:
            wait_s, found = 0.0, True
            for key, _ in ready:
                pipe: IO[bytes] = key.fileobj  # type: ignore[assignment]
                data = os.read(pipe.fileno(), _CHUNK_BYTES)
                if not data:
                    selector.unregister(pipe)
                elif self._on_stderr is not None and self._pipes[pipe] is self.stderr:
                    self._on_stderr(data)
                else:
                    self._pipes[pipe] += data
            if self._stderr_tail is not None:
                del self.stderr[: -self._stderr_tail]
            if self._floods():
                break
        return found

    def _floods(self) -> bool:
        return self._output_limit is not None and max(len(self.stdout), len(self.trace)) > self._output_limit

    def _communicate(self, deadline: float | None) -> ChildState | None:
        try:
            self.stdout[:], self.stderr[:] = self.process.communicate(
                timeout=None if deadline is None else deadline - time.monotonic()
            )
        except subprocess.TimeoutExpired as expired:
            self.stdout += expired.output or b""
            return "timed-out"
        return None

    def _has_ended(self) -> bool:
        """Check whether the child has ended, leaving it as a zombie where the system can.

        A zombie keeps its number. If it were reaped before the rest of its group is killed, another process group
        could be given the number in between, and the kill would hit that one.
        """
        if hasattr(os, "waitid"):
            flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
            with contextlib.suppress(ChildProcessError):  # SIGCHLD is ignored, or another thread reaps every child
                return os.waitid(os.P_PID, self.process.pid, flags) is not None
        return self.process.poll() is not None

    def _end(self, grace_s: float) -> None:
        """Kill what is left of the group, reap the child, close the pipes."""
        try:
            if grace_s and not self._has_ended():
                self.process.terminate()
                deadline = time.monotonic() + grace_s
                while not self._has_ended() and time.monotonic() < deadline:
                    time.sleep(_POLL_S / 5)
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # all are gone; macOS: EPERM of zombies
                if os.name == "nt":
                    self.process.kill()
                else:
                    os.killpg(self.process.pid, signal.SIGKILL)
            _running.discard(self.process.pid)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(_KILL_GRACE_S)
                self.reaped = True
            for pipe in (self.process.stdin, *self._pipes):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"

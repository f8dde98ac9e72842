"""Run a script of `envkit.probes` with another Python, in a child that may crash, hang or talk nonsense.

A probe loads what nobody here can vouch for: a driver library, a framework. It runs in a process group of its own,
within a time limit and with bounded output, and tells on a third pipe, the trace, what it is about to do. A trace line
is a JSON object: ``{"step": {"check", "call", "device"}}``, ``{"facts": {key: value}}`` or ``{"check": {...}}`` (one
ended check). From these the outcome of a probe that did not finish is put together.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from envkit.models.probe import ProbeOutcome, ProbeState, TraceStep

__all__ = ["PROBES_DIR", "ProbeOutcome", "kill_children", "run_driver_probe", "run_probe"]

_running: set[int] = set()

PROBES_DIR = Path(__file__).parent / "probes"
"""Where the scripts are; they are files on disk, since another Python runs them."""

STDOUT_LIMIT_BYTES = 8 << 20
STDERR_TAIL_BYTES = 16 << 10
TRACE_LIMIT_BYTES = 8 << 20
KILL_GRACE_S = 5.0
"""How long a killed child may take to be gone: one that waits inside the kernel ignores SIGKILL until it returns."""

_POLL_S = 0.05
_DRAIN_S = 1.0
_CHUNK_BYTES = 1 << 16


def run_driver_probe(
    python: Path,
    *,
    env: Mapping[str, str],
    timeout_s: float = 120.0,
    devices: Sequence[str] = (),
    mig_uuids: Sequence[str] = (),
    args: Sequence[str] = (),
) -> list[ProbeOutcome]:
    """Check the CUDA driver level with the environment's Python.

    CUDA shows one MIG instance to a process, so each needs a child of its own
    (https://docs.nvidia.com/datacenter/tesla/mig-user-guide/, "CUDA Device Enumeration").

    Args:
        python: The environment's interpreter, 3.7 or newer.
        env: The environment variables that its programs would see.
        timeout_s: Limit for each child, in seconds.
        devices: Ordinals or UUIDs to check; all that are visible when empty. A UUID that begins with ``MIG-`` gets
            its own child.
        mig_uuids: The MIG instances of this host; each gets its own child, besides one child for what is visible
            without naming any. Ignored when `devices` is given.
        args: More arguments for ``cuda_driver.py``.

    Returns:
        One outcome for each child, never empty.
    """
    script = PROBES_DIR / "cuda_driver.py"
    instances = [device for device in devices if device.startswith("MIG-")] if devices else list(mig_uuids)
    whole = [device for device in devices if not device.startswith("MIG-")]
    # The child stops by itself shortly before it would be killed, so that a slow one still hands in its document.
    base = ["--timeout", f"{timeout_s * 0.9:.3f}", *args]
    outcomes = []
    if whole or not instances:
        chosen = [word for device in whole for word in ("--device", device)]
        outcomes.append(run_probe(python, script, [*base, *chosen], env=env, timeout_s=timeout_s))
    for uuid in instances:
        narrowed = {**env, "CUDA_VISIBLE_DEVICES": uuid}
        outcomes.append(run_probe(python, script, base, env=narrowed, timeout_s=timeout_s))
    return outcomes


def run_probe(
    python: Path, script: Path, args: Sequence[str] = (), *, env: Mapping[str, str], timeout_s: float
) -> ProbeOutcome:
    """Run `script` with `python` and bring home what it says, however it ends.

    Python is started with ``-I`` (no ``PYTHON*`` variables, no user site, no current folder) and ``-B`` (the
    environment under test is not written to). Neither the process nor anything that it started in its group is left
    behind, also when this call is interrupted.

    Args:
        python: The interpreter.
        script: A stand-alone script that takes ``--trace FD`` and writes one JSON object to standard output.
        args: Its arguments; they show in process lists, so they carry no secret.
        env: All of its environment variables; those that begin with ``PYTHON`` are left out.
        timeout_s: After so many seconds the whole process group is killed.

    Returns:
        The outcome; this function raises nothing for what a child does.
    """
    started = time.monotonic()
    variables = {name: value for name, value in env.items() if not name.startswith("PYTHON")}
    read_fd, write_fd = os.pipe()
    command = (str(python), "-I", "-B", str(script), *args, "--trace", str(write_fd))
    with contextlib.ExitStack() as stack:
        trace = stack.enter_context(os.fdopen(read_fd, "rb", buffering=0))
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=variables,
                pass_fds=(write_fd,),
                start_new_session=True,
                bufsize=0,
            )
        except OSError as error:
            return ProbeOutcome("not-started", command, reason=error.strerror or str(error))
        finally:
            os.close(write_fd)
        child = _Child(process, trace)
        ending = child.watch(started + timeout_s)
    return _outcome(child, ending, command, time.monotonic() - started)


def kill_children() -> None:
    """Kill every probe that is running; for a process that is about to leave at once."""
    for group in tuple(_running):
        with contextlib.suppress(OSError):
            os.killpg(group, signal.SIGKILL)


class _Child:
    """A running probe and what it has said so far."""

    def __init__(self, process: subprocess.Popen[bytes], trace: IO[bytes]) -> None:
        if process.stdout is None or process.stderr is None:
            raise AssertionError("started with pipes")
        self.process = process
        _running.add(process.pid)
        self.stdout = bytearray()
        self.stderr = bytearray()
        self.trace = bytearray()
        self.too_much = False
        self.reaped = False
        self._pipes = {process.stdout: self.stdout, process.stderr: self.stderr, trace: self.trace}

    def watch(self, deadline: float) -> ProbeState | None:
        """Read until the child ends, the deadline passes or it says too much; None when it ended by itself."""
        ended: ProbeState | None = None
        try:
            with selectors.DefaultSelector() as selector:
                for pipe in self._pipes:
                    os.set_blocking(pipe.fileno(), False)
                    selector.register(pipe, selectors.EVENT_READ)
                while True:
                    over = self._has_ended()  # asked before reading: what it wrote before its end is then read below
                    self._read(selector, 0.0 if over else min(_POLL_S, max(0.0, deadline - time.monotonic())))
                    if over:
                        break
                    if self.too_much:
                        ended = "garbled"
                        break
                    if time.monotonic() >= deadline:
                        ended = "timed-out"
                        break
        finally:
            self._end()
        return ended

    def _read(self, selector: selectors.BaseSelector, wait_s: float) -> None:
        """Take what is in the pipes, waiting up to `wait_s` for something to come."""
        enough = time.monotonic() + _DRAIN_S  # one who writes without end must not keep us from the clock
        while (ready := selector.select(wait_s)) and time.monotonic() < enough:
            wait_s = 0.0
            for key, _ in ready:
                pipe: IO[bytes] = key.fileobj  # type: ignore[assignment]
                data = os.read(pipe.fileno(), _CHUNK_BYTES)
                if not data:
                    selector.unregister(pipe)
                self._pipes[pipe] += data
            del self.stderr[:-STDERR_TAIL_BYTES]
            if len(self.stdout) > STDOUT_LIMIT_BYTES or len(self.trace) > TRACE_LIMIT_BYTES:
                self.too_much = True
                return

    def _has_ended(self) -> bool:
        """Whether the child has ended, leaving it as a zombie where the system can.

        A zombie keeps its number. Reaped before the rest of its group is killed, the number could be given to another
        process group in between, and the kill would hit that one.
        """
        if hasattr(os, "waitid"):
            flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
            return os.waitid(os.P_PID, self.process.pid, flags) is not None
        return self.process.poll() is not None

    def _end(self) -> None:
        """Kill what is left of the group, reap the child, close the pipes."""
        with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody is left; macOS says EPERM of zombies
            os.killpg(self.process.pid, signal.SIGKILL)
        _running.discard(self.process.pid)
        try:
            self.process.wait(KILL_GRACE_S)
            self.reaped = True
        except subprocess.TimeoutExpired:
            self.reaped = False
        for pipe in self._pipes:
            pipe.close()


def _outcome(child: _Child, ended: ProbeState | None, command: tuple[str, ...], elapsed_s: float) -> ProbeOutcome:
    """Put together what is known of a child that has ended."""
    last_step, partial = _read_trace(bytes(child.trace))
    document, reason = _read_document(bytes(child.stdout))
    status = child.process.returncode
    state: ProbeState
    if ended is not None:
        state = ended
        reason = "it wrote more than any probe does" if ended == "garbled" else None
    elif status is not None and status < 0:
        state, reason = "crashed", None
    elif status != 0:
        state, reason = "failed", None
    else:
        state = "done" if document is not None else "garbled"
    return ProbeOutcome(
        state=state,
        command=command,
        document=document,
        partial=partial,
        exit_code=status if status is not None and status >= 0 else None,
        signal=_signal_name(-status) if state == "crashed" and status is not None else None,
        last_step=last_step,
        stderr_tail=bytes(child.stderr).decode("utf-8", "replace"),
        reason=reason,
        elapsed_s=elapsed_s,
        reaped=child.reaped,
    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


def _read_document(stdout: bytes) -> tuple[Mapping[str, object] | None, str | None]:
    """The JSON object in the last line, and otherwise why there is none.

    Lines before it are let through: a ``.pth`` file or a ``sitecustomize`` of the environment may print before the
    script has its say.
    """
    lines = stdout.strip().splitlines()
    if not lines:
        return None, "it wrote nothing"
    try:
        document = json.loads(lines[-1])
    except ValueError as error:
        return None, f"what it wrote is not JSON: {error}"
    if not isinstance(document, dict):
        return None, f"it wrote {type(document).__name__} instead of an object"
    return document, None


def _read_trace(trace: bytes) -> tuple[TraceStep | None, Mapping[str, object]]:
    """The last step that was begun, and the facts and ended checks."""
    step: TraceStep | None = None
    facts: dict[str, object] = {}
    checks: list[object] = []
    for line in _trace_lines(trace):
        match line:
            case {"step": {"check": str(check), "call": str(call), **rest}}:
                device = rest.get("device")
                step = TraceStep(check, call, device if isinstance(device, int) else None)
            case {"facts": dict(more)}:
                facts.update(more)
            case {"check": dict(record)}:
                checks.append(record)
    return step, ({**facts, "checks": checks} if facts or checks else {})


def _trace_lines(trace: bytes) -> Iterator[object]:
    """The whole lines of a trace; the last one may be torn by a crash, and a library may have written there too."""
    for line in trace.splitlines():
        with contextlib.suppress(ValueError):
            yield json.loads(line)

"""Run a command on the machine of a Dask worker, for ``envkit fleet --via dask``.

The text of this file is sent to the worker, whose Python may be another (3.7 and newer) and has no envkit.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

POLL_S = 0.05
GRACE_S = 5.0
# Ends what the worker has started when the worker is gone: its input ends then.
GUARD = "import os,sys; sys.stdin.read(); os.killpg(int(sys.argv[1]), 9)"


def run(command, topic, limit_s, output_limit, tail):
    """Run a command and return how it ended; nothing that it does raises.

    Args:
        command: The program and its arguments.
        topic: Where to log that it has begun, as a Dask event with the key of the task.
        limit_s: Seconds after which it is ended.
        output_limit: Bytes of standard output above which it is ended.
        tail: How many bytes of standard error to keep, the last ones.

    Returns:
        A state (``ended``, ``timed-out``, ``crashed``, ``flooded``, ``cancelled``, ``not-started``), its exit status or
        the number of the signal or nothing, standard output, the end of standard error, and the seconds it took.
    """
    wanted = _watch_task(topic)
    started = time.monotonic()
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return "not-started", None, b"", str(error).encode(), 0.0
    guard = _guard(process.pid)
    output, errors = bytearray(), bytearray()
    readers = [
        threading.Thread(target=_read, args=(process.stdout, output, output_limit + 1, None), daemon=True),
        threading.Thread(target=_read, args=(process.stderr, errors, None, tail), daemon=True),
    ]
    for reader in readers:
        reader.start()
    state = None
    while not _has_ended(process):
        if time.monotonic() - started >= limit_s:
            state = "timed-out"
        elif len(output) > output_limit:
            state = "flooded"
        elif not wanted():
            state = "cancelled"
        if state:
            _end(process)
            break
        time.sleep(POLL_S)
    _signal(process, signal.SIGKILL)  # what is left of its group
    if guard is not None:  # before the child is reaped: until then no other group can have its number
        guard.kill()
        guard.communicate()
    status = process.wait()
    for reader in readers:
        reader.join(1)  # a process that has left the group may hold a pipe open
    if len(output) > output_limit:
        state = "flooded"
    if state is None:
        state = "crashed" if status < 0 else "ended"
    code = abs(status) if state in ("ended", "crashed") else None
    return state, code, bytes(output[:output_limit]), bytes(errors), time.monotonic() - started


def _watch_task(topic):
    """Return a function that tells whether somebody still waits for the task which this thread runs."""
    try:
        from distributed import get_worker

        worker = get_worker()
        worker.log_event(topic, str(worker.get_current_task()))
        key, tasks = worker.get_current_task(), worker.state.tasks
        state = tasks[key].state
    except (
        ImportError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    ):  # a release that keeps it elsewhere: the task then runs to its limit
        return lambda: True

    def wanted():
        task = tasks.get(key)
        return task is not None and task.state in (state, "executing", "long-running")

    return wanted


def _guard(group):
    try:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", GUARD, str(group)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, TypeError):
        return None


def _read(pipe, kept, most, tail):
    while True:
        data = os.read(pipe.fileno(), 65536)
        if not data:
            return
        if most is None or len(kept) < most:
            kept += data
        if tail is not None:
            del kept[:-tail]


def _has_ended(process):
    """Tell whether it has ended, and leave it to be reaped."""
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except (AttributeError, ChildProcessError):
        return process.poll() is not None


def _end(process):
    _signal(process, signal.SIGTERM)
    until = time.monotonic() + GRACE_S
    while not _has_ended(process) and time.monotonic() < until:
        time.sleep(POLL_S)


def _signal(process, number):
    with contextlib.suppress(OSError):
        os.killpg(process.pid, number)

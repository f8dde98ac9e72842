"""Running children that hang, flood, crash, ignore signals and leave others behind."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from envkit.process import ChildResult, kill_children, run_child

SLEEPER = "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])"


def run(
    code: str,
    *,
    timeout_s: float | None = 20.0,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    output_limit: int | None = None,
) -> ChildResult:
    command = [sys.executable, "-c", f"import os, signal, subprocess, sys, time\n{code}"]
    return run_child(command, timeout_s=timeout_s, env=env, stdin=stdin, output_limit=output_limit)


def is_gone(pid: int) -> bool:
    """Whether a process has ended, or will have in a moment; a zombie has."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.02)
    return False


def test_done() -> None:
    ended = run("print('out'); print('err', file=sys.stderr)", timeout_s=None)
    assert (ended.state, ended.exit_code, ended.signal, ended.reaped) == ("done", 0, None, True)
    assert (ended.text, ended.error_text, ended.ending) == ("out\n", "err\n", "")
    assert ended.command[0] == sys.executable


def test_failed_and_crashed() -> None:
    failed, crashed = run("sys.exit(3)"), run("print('x', flush=True); os.abort()")
    assert (failed.state, failed.exit_code, failed.ending) == ("failed", 3, "ended with exit status 3")
    assert (crashed.state, crashed.exit_code, crashed.signal) == ("crashed", None, "SIGABRT")
    assert (crashed.text, crashed.ending) == ("x\n", "was ended by SIGABRT")
    assert run("os.kill(os.getpid(), signal.SIGRTMIN + 3)").signal == f"signal {signal.SIGRTMIN + 3}"


def test_not_started(tmp_path: Path) -> None:
    ended = run_child([tmp_path / "program", "x"], timeout_s=5, trace_flag="--trace")
    assert isinstance(ended.error, FileNotFoundError)
    assert ended.state == "not-started"
    assert ended.ending.startswith("could not be started: ")


def test_variables_are_those_given() -> None:
    assert run("print(os.environ.get('A'), 'HOME' in os.environ)", env={"A": "1"}).text == "1 False\n"
    assert run("print('PATH' in os.environ)").text == "True\n"


def test_standard_input_is_empty_or_stays_open() -> None:
    assert run("print(sys.stdin.read() == '')").text == "True\n"
    ended = run("print(len(sys.stdin.readline())); sys.stdin.read()", stdin=b"x" * 300_000 + b"\n", timeout_s=1.5)
    assert ended.state == "timed-out"
    assert run("print(len(sys.stdin.readline()))", stdin=b"x" * 300_000 + b"\n").text == "300001\n"
    assert run("os.close(0); print('no thanks')", stdin=b"x" * 300_000).text == "no thanks\n"


def test_the_time_limit_ends_one_that_ignores_sigterm_and_its_children() -> None:
    ended = run(
        f"signal.signal(signal.SIGTERM, signal.SIG_IGN)\nother = {SLEEPER}\n"
        "print(os.getpid(), other.pid, flush=True)\ntime.sleep(600)",
        timeout_s=1.5,
    )
    assert (ended.state, ended.exit_code, ended.signal, ended.reaped) == ("timed-out", None, None, True)
    assert ended.ending == "ran into the time limit"
    assert 1.4 < ended.elapsed_s < 6
    assert all(is_gone(int(pid)) for pid in ended.text.split())


def test_a_grandchild_that_holds_the_pipes_neither_delays_nor_stays() -> None:
    ended = run(f"print({SLEEPER}.pid)")
    assert ended.state == "done"
    assert ended.elapsed_s < 10
    assert is_gone(int(ended.text))


def test_a_flood_is_cut_off() -> None:
    ended = run("while True: os.write(1, b'x' * 65536)", output_limit=1 << 20)
    assert (ended.state, ended.ending) == ("flooded", "wrote too much")
    assert 1 << 20 < len(ended.stdout) < 64 << 20


def test_output_without_limit_is_kept_whole() -> None:
    assert len(run("for _ in range(64): os.write(1, b'x' * 65536)").stdout) == 64 << 16


def test_only_the_end_of_standard_error_is_kept() -> None:
    ended = run_child(
        [sys.executable, "-c", "import sys\nsys.stderr.write('x' * 100_000)\nsys.exit('the end')"],
        timeout_s=20,
        stderr_tail=100,
    )
    assert len(ended.stderr) == 100
    assert ended.error_text.endswith("the end\n")


def test_the_trace_is_a_third_pipe() -> None:
    ended = run_child([sys.executable, "-c", "import os, sys; os.write(int(sys.argv[2]), b'step')", "-t"], timeout_s=20)
    assert ended.state == "failed"
    ended = run_child(
        [sys.executable, "-c", "import os, sys; os.write(int(sys.argv[2]), b'step')"], timeout_s=20, trace_flag="-t"
    )
    assert (ended.state, ended.trace) == ("done", b"step")
    assert ended.command[-2] == "-t"


def test_standard_error_is_heard_as_it_comes_and_a_listener_that_fails_ends_the_child() -> None:
    heard = []

    def listen(data: bytes) -> None:
        heard.append(data.decode())
        if "stop" in heard[-1]:
            raise ValueError(heard[0])

    code = (
        "import os, signal, sys, time\n"
        "def leave(*_): sys.stderr.write('told to leave'); os._exit(0)\n"
        "signal.signal(signal.SIGTERM, leave)\n"
        "sys.stderr.write(f'{os.getpid()}\\n'); sys.stderr.flush(); time.sleep(0.2)\n"
        "sys.stderr.write('stop'); sys.stderr.flush(); time.sleep(600)"
    )
    began = time.monotonic()
    with pytest.raises(ValueError, match=r"^\d+\n$"):
        run_child([sys.executable, "-c", code], timeout_s=None, on_stderr=listen, grace_s=30)
    assert time.monotonic() - began < 20
    assert is_gone(int(heard[0]))


def test_the_grace_ends() -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"
    ended = run_child([sys.executable, "-c", code], timeout_s=1.5, grace_s=0.5)
    assert (ended.state, ended.text, ended.reaped) == ("timed-out", "1\n", True)
    assert ended.elapsed_s < 10


def test_running_children_can_be_killed_from_a_signal_handler(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"

    def leave(*_: object) -> None:
        kill_children()

    before = signal.signal(signal.SIGALRM, leave)
    signal.setitimer(signal.ITIMER_REAL, 1.5)
    try:
        ended = run(f"open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(600)")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert (ended.state, ended.signal) == ("crashed", "SIGKILL")
    assert is_gone(int(pid_file.read_text()))


def test_a_process_that_ignores_its_children() -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        ended = run("print('out')")
        late = run("time.sleep(600)", timeout_s=0.5)
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert (ended.state, ended.text) == ("done", "out\n")
    assert late.state == "timed-out"


def test_no_descriptor_is_left_open() -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    run("pass")
    before = count()
    run("sys.exit(1)", stdin=b"x")
    run_child(["/nowhere/program"], timeout_s=1, trace_flag="-t")
    run("time.sleep(600)", timeout_s=0.1)
    assert count() == before


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="found by /proc/PID/environ")
def test_a_process_that_left_the_group_is_killed_too(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    code = f"""
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open({str(pid_file)!r}, 'w').write(str(os.getpid()))
        time.sleep(600)
    os._exit(0)
os.wait()
while not os.path.exists({str(pid_file)!r}):
    time.sleep(0.01)
"""
    other = os.fork()
    if other == 0:
        signal.pause()
        os._exit(0)
    ended = run_child([sys.executable, "-c", f"import os, time\n{code}"], timeout_s=20.0, strays=True)
    assert ended.state == "done"
    assert is_gone(int(pid_file.read_text()))
    os.kill(other, 0)  # those of this process live on
    os.kill(other, signal.SIGKILL)
    os.waitpid(other, 0)

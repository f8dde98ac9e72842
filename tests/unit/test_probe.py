"""Running a script in a child that does what children should not do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import venv
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import pytest

from envkit.checks.interpreter import python_findings
from envkit.models.probe import ProbeOutcome, TraceStep
from envkit.probe import PROBES_DIR, STDERR_TAIL_BYTES, run_probe
from envkit.words.cures import cure
from envkit.words.say import say

BEGIN = """
import json, os, signal, subprocess, sys, time
fd = int(sys.argv[sys.argv.index("--trace") + 1])
def answer(**members):
    answers = {"asked": sys.argv[1:], "python": {"version": sys.version, "implementation": sys.implementation.name}}
    print(json.dumps({**members, "answers": answers}), flush=True)
def trace(**line): os.write(fd, json.dumps(line).encode() + b"\\n")
"""
STEP = "trace(step={'check': 'init', 'call': 'cuInit', 'device': 0})\n"


class Run(Protocol):
    def __call__(
        self, code: str, *args: str, timeout_s: float = ..., env: Mapping[str, str] | None = ...
    ) -> ProbeOutcome: ...


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run(code: str, *args: str, timeout_s: float = 20.0, env: Mapping[str, str] | None = None) -> ProbeOutcome:
        script = tmp_path / "script.py"
        script.write_text(BEGIN + code)
        variables = {"PATH": os.environ["PATH"], **(env or {})}
        return run_probe(Path(sys.executable), script, args, env=variables, timeout_s=timeout_s)

    return run


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def wait_until_gone(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_alive(pid)


def test_done(run: Run) -> None:
    outcome = run("answer(arguments=sys.argv[1:3])", "--device", "0")
    assert outcome.state == "done"
    assert outcome.document == {"arguments": ["--device", "0"]}
    assert outcome.facts is outcome.document
    assert (outcome.exit_code, outcome.signal, outcome.reaped) == (0, None, True)


def test_python_is_isolated(run: Run) -> None:
    outcome = run(
        "answer(flags=[sys.flags.isolated, sys.dont_write_bytecode], variables=dict(os.environ))",
        env={"PYTHONPATH": "/nowhere", "PYTHONSTARTUP": "x", "CUDA_VISIBLE_DEVICES": "1"},
    )
    assert outcome.document is not None
    assert outcome.document["flags"] == [1, True]
    variables = outcome.document["variables"]
    assert isinstance(variables, dict)
    assert variables.pop("LC_CTYPE", None) in (None, "C.UTF-8")  # which Python sets itself in the C locale (PEP 538)
    assert variables.pop("_envkit_child")  # by which what it starts is found
    assert variables == {"PATH": os.environ["PATH"], "CUDA_VISIBLE_DEVICES": "1", "ENVKIT_UNMARKED": "1"}


def test_what_a_site_prints_first_is_let_through(run: Run) -> None:
    outcome = run("print('hello from sitecustomize')\nanswer(a=1)")
    assert outcome.document == {"a": 1}


def test_a_crash_names_signal_step_and_what_was_known(run: Run) -> None:
    outcome = run(
        "trace(facts={'libcuda': {'path': '/x'}})\ntrace(check={'check': 'version', 'outcome': 'ok'})\n"
        + STEP
        + "os.kill(os.getpid(), signal.SIGSEGV)"
    )
    assert (outcome.state, outcome.signal, outcome.exit_code) == ("crashed", "SIGSEGV", None)
    assert outcome.last_step == TraceStep("init", "cuInit", 0)
    assert outcome.document is None
    assert outcome.facts == {"libcuda": {"path": "/x"}, "checks": [{"check": "version", "outcome": "ok"}]}


def test_the_answer_of_one_that_crashes_at_its_end_is_kept(run: Run) -> None:
    outcome = run("answer(a=1)\nos.abort()")
    assert (outcome.state, outcome.signal, outcome.document) == ("crashed", "SIGABRT", {"a": 1})


def test_a_torn_trace_and_nonsense_in_it_are_passed_over(run: Run) -> None:
    outcome = run(STEP + 'os.write(fd, b\'nonsense\\n[1]\\n{"step": 3}\\n{"step": {"check": "x"\')\nsys.exit(3)')
    assert (outcome.state, outcome.exit_code) == ("failed", 3)
    assert outcome.last_step == TraceStep("init", "cuInit", 0)


def test_the_time_limit_ends_the_whole_group(run: Run, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    started = time.monotonic()
    outcome = run(
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "other = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{other.pid}}')\n" + STEP + "time.sleep(600)",
        timeout_s=3,
    )
    assert time.monotonic() - started < 10
    assert (outcome.state, outcome.signal, outcome.reaped) == ("timed-out", None, True)
    assert outcome.last_step == TraceStep("init", "cuInit", 0)
    assert all(wait_until_gone(int(pid)) for pid in pids.read_text().split())


def test_one_that_stays_behind_is_ended_too(run: Run) -> None:
    started = time.monotonic()
    outcome = run(  # it holds the pipes open
        "other = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], pass_fds=(fd,))\n"
        "answer(pid=other.pid)"
    )
    assert time.monotonic() - started < 10
    assert outcome.state == "done"
    assert outcome.document is not None
    assert wait_until_gone(int(str(outcome.document["pid"])))


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("pass", "it wrote nothing"),
        ("print('half a doc')", "not JSON"),
        ("print('[1, 2]')", "list instead of an object"),
        ("os.write(1, b'\\xff\\xfe')", "not JSON"),
    ],
)
def test_garbled(run: Run, code: str, reason: str) -> None:
    outcome = run(STEP + code)
    assert outcome.state == "garbled"
    assert reason in str(outcome.reason)


@pytest.mark.parametrize(
    "answers",
    [
        None,
        [],
        {"asked": None, "python": {"version": "3", "implementation": "cpython"}},
        {"asked": ["--nonce", "0"], "python": {"version": "3", "implementation": "cpython"}},
        {"asked": "sys.argv[1:]"},
        {"asked": "sys.argv[1:]", "python": {"version": "", "implementation": "cpython"}},
    ],
)
def test_an_answer_without_what_was_asked_is_not_the_scripts(run: Run, answers: object) -> None:
    told = repr(answers).replace("'sys.argv[1:]'", "sys.argv[1:]")
    outcome = run(f"print(json.dumps({{'checks': [], 'answers': {told}}}))")
    assert (outcome.state, outcome.document) == ("foreign", None)


@pytest.mark.parametrize("how", ["script", "pth", "sitecustomize"])
def test_who_answered_in_place_of_python_is_named(tmp_path: Path, how: str) -> None:
    venv.create(tmp_path, symlinks=True)
    python, [site] = tmp_path / "bin" / "python", tmp_path.glob("lib/python3*/site-packages")
    answer = """import json, os, sys; os.write(1, json.dumps({"modules": []}).encode()); os._exit(0)\n"""
    said = {"script": python, "pth": site / "early.pth", "sitecustomize": site / "sitecustomize.py"}[how]
    if how == "script":
        python.unlink()
        python.write_text("#!/bin/sh\necho '{}'\n")
        python.chmod(0o755)
    else:
        (site / "innocent.pth").write_text("/nowhere\n")
        said.write_text(answer)
    outcome = run_probe(python, PROBES_DIR / "modules.py", ["json"], env={}, timeout_s=20)
    assert (outcome.state, outcome.document, outcome.answered_by) == ("foreign", None, (str(said),))
    [finding] = python_findings(outcome, ["json"])
    assert (finding.status, finding.code, finding.blames) == ("fail", "python-foreign", "environment")
    assert str(said) in say(finding)
    assert cure(finding)


def test_output_is_bounded(run: Run) -> None:
    started = time.monotonic()
    outcome = run("while True: os.write(1, b'x' * 65536)")
    assert (outcome.state, outcome.reason) == ("garbled", "it wrote more than any probe does")
    assert time.monotonic() - started < 10


def test_only_the_end_of_standard_error_is_kept(run: Run) -> None:
    outcome = run("os.write(2, b'begin')\nfor _ in range(100): os.write(2, b'x' * 65536)\nsys.exit('the end')")
    assert outcome.state == "failed"
    assert len(outcome.stderr_tail) == STDERR_TAIL_BYTES
    assert outcome.stderr_tail.endswith("the end\n")


def test_endless_standard_error_does_not_keep_us_from_the_clock(run: Run) -> None:
    outcome = run("while True: os.write(2, b'x' * 65536)", timeout_s=1.0)
    assert outcome.state == "timed-out"
    assert outcome.elapsed_s < 8


def test_no_such_python(tmp_path: Path) -> None:
    outcome = run_probe(tmp_path / "python", tmp_path / "script.py", env={}, timeout_s=5)
    assert (outcome.state, outcome.reason) == ("not-started", "No such file or directory")
    (tmp_path / "python").write_text("not a program")
    (tmp_path / "python").chmod(0o755)
    outcome = run_probe(tmp_path / "python", tmp_path / "script.py", env={}, timeout_s=5)
    assert (outcome.state, outcome.reason) == ("not-started", "Exec format error")


def test_an_interruption_leaves_nobody_behind(run: Run, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"

    def interrupt() -> None:
        deadline = time.monotonic() + 20
        while not (pid_file.exists() and pid_file.read_text()) and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    interrupter = threading.Thread(target=interrupt)
    interrupter.start()
    with pytest.raises(KeyboardInterrupt):
        run(f"open({str(pid_file)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)", timeout_s=60)
    interrupter.join()
    assert wait_until_gone(int(pid_file.read_text()))


def open_files() -> list[str]:
    return sorted(str(fd.readlink()) for fd in Path("/proc/self/fd").iterdir() if fd.is_symlink())


def test_no_descriptor_is_left_open(run: Run) -> None:
    run("pass")
    before = open_files()
    for code in ("pass", "os.abort()", "sys.exit(1)"):
        run(code)
    assert open_files() == before


SLEEPER = "import os, time, pathlib; pathlib.Path({said!r}).write_text(str(os.getpid())); time.sleep(120)\n"
VALIDATION = """
import signal, sys
from pathlib import Path
from envkit.probe import run_framework_probe
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
run_framework_probe(Path(sys.argv[1]), ["numba.py"], env={"PATH": "/usr/bin"}, timeout_s=100)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="prctl(2)")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_framework_ends_with_the_validation_and_leaves_nothing(tmp_path: Path, how: signal.Signals) -> None:
    """A GPU that a forgotten probe holds is one that the next validation finds full."""
    prefix, said, temporary = tmp_path / "venv", tmp_path / "pid", tmp_path / "tmp"
    temporary.mkdir()
    venv.create(prefix, symlinks=True)
    site = next(prefix.glob("lib/python3*/site-packages"))
    (site / "numba.py").write_text(SLEEPER.format(said=str(said)))
    command = [sys.executable, "-c", VALIDATION, str(prefix / "bin" / "python")]
    with subprocess.Popen(command, env={**os.environ, "TMPDIR": str(temporary)}) as validation:
        until = time.monotonic() + 20
        while not (said.exists() and said.read_text()) and time.monotonic() < until:
            time.sleep(0.02)
        (folder,) = temporary.iterdir()
        assert [path.name.rpartition("-")[0] for path in folder.iterdir()] == ["envkit-probe"], "all of it lies there"
        validation.send_signal(how)
    assert wait_until_gone(int(said.read_text()))
    if how != signal.SIGKILL:  # what a killed one leaves is swept by `envkit clean`
        assert list(temporary.iterdir()) == []

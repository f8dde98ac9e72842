"""Run the cases of a row by turns and keep what each run cost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_SPAWN = Path(__file__).with_name("spawn.py")
_TIMEOUT_S = 900  # micromamba reads a flat index of 700,000 records for the first time in four minutes
Say = Callable[[str], None]


class RunFailedError(Exception):
    """A command that ended with another exit code than its case expects."""


@dataclass(frozen=True, slots=True)
class Step:
    """One command; "{copy}" in its words is the number of the copy where several run at once."""

    argv: Sequence[str]
    env: Mapping[str, str]
    codes: Sequence[int] = (0,)


@dataclass(frozen=True, slots=True)
class Case:
    """The work of a row as one tool does it: steps one after the other, after a preparation that is not measured."""

    tool: str
    steps: Sequence[Step]
    before: Callable[[], None] | None = None
    copies: int = 1


@dataclass(frozen=True, slots=True)
class Sample:
    """The cost of one run: seconds on the clock, seconds of processor time with all children, bytes of the largest."""

    wall_s: float
    cpu_s: float
    peak_bytes: int


@dataclass(slots=True)
class Series:
    """All runs of one case. `modules` are imported ones, `calls` system calls; None where nobody counted."""

    tool: str
    samples: list[Sample] = field(default_factory=list)
    modules: int | None = None
    calls: int | None = None
    error: str | None = None

    @property
    def wall_s(self) -> float:
        """The median on the clock."""
        return statistics.median(sample.wall_s for sample in self.samples)

    @property
    def least_wall_s(self) -> float:
        """The least on the clock."""
        return min(sample.wall_s for sample in self.samples)

    @property
    def least_cpu_s(self) -> float:
        """The least processor time: of all figures the one that other load disturbs least."""
        return min(sample.cpu_s for sample in self.samples)

    @property
    def peak_bytes(self) -> float:
        """The median of the peaks."""
        return statistics.median(sample.peak_bytes for sample in self.samples)


@dataclass(frozen=True, slots=True)
class Effort:
    """How often each case runs: at least `least` times, then until `rounds` or the seconds of the row are used up.

    A case whose own runs took half of the seconds runs no more, however often it ran.
    """

    rounds: int = 7
    least: int = 3
    budget_s: float = 20.0
    warm_up: bool = True
    count_modules: bool = True
    count_calls: bool = False


def run_once(case: Case, *, wrap: Sequence[str] = (), more: Mapping[str, str] | None = None) -> tuple[Sample, str]:
    """Prepare, run and measure a case once; return its cost and what it wrote to standard error.

    Args:
        case: What to run.
        wrap: Words before each command, such as those of strace.
        more: Variables besides those of the steps.

    Raises:
        RunFailedError: A command ended with an unexpected code, or did not end in a quarter of an hour.
    """
    if case.before is not None:
        case.before()
    with tempfile.NamedTemporaryFile(prefix="bench-", suffix=".err") as errors:
        work: dict[str, Any] = {
            "steps": [
                {"argv": [*wrap, *step.argv], "env": {**step.env, **(more or {})}, "codes": list(step.codes)}
                for step in case.steps
            ],
            "copies": case.copies,
            "timeout_s": _TIMEOUT_S,
            "errors": errors.name,
        }
        words = [sys.executable, "-I", "-S", str(_SPAWN)]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            try:
                out, _ = process.communicate(json.dumps(work))
            except BaseException:
                process.send_signal(signal.SIGTERM)  # it kills what it started; SIGKILL would leave that behind
                process.wait()
                raise
        said = Path(errors.name).read_text(errors="replace")
    answer: dict[str, Any] = json.loads(out) if out else {"failed": [0, process.returncode]}
    if failed := answer.get("failed"):
        argv = " ".join(work["steps"][failed[0]]["argv"])
        raise RunFailedError(f"{argv}\nended with {failed[1]}:\n{said.strip()[-800:]}")
    return Sample(answer["wall_s"], answer["cpu_s"], answer["peak_bytes"]), said


def take_turns(cases: Sequence[Case], effort: Effort, say: Say) -> list[Series]:
    """Run all cases in each round, each round beginning with the next one; what fails once is left out from then on.

    The first run of each is not counted: it fills caches, of the file system too.
    """
    series = [Series(case.tool) for case in cases]
    begin = time.monotonic()

    def attempt(place: int, *, keep: bool) -> None:
        if series[place].error is None:
            try:
                sample, _ = run_once(cases[place])
            except RunFailedError as error:
                series[place].error = str(error)
                say(f"{cases[place].tool} failed: {error}")
            else:
                if keep:
                    series[place].samples.append(sample)

    if effort.warm_up:
        for place in range(len(cases)):
            attempt(place, keep=False)
        begin = max(begin, time.monotonic() - effort.budget_s / 2)  # a slow first run costs no more than half
    for number in range(effort.rounds):
        if number >= effort.least and time.monotonic() - begin > effort.budget_s:
            break
        for turn in range(len(cases)):
            place = (number + turn) % len(cases)
            if sum(sample.wall_s for sample in series[place].samples) < effort.budget_s / 2:
                attempt(place, keep=True)
    for case, found in zip(cases, series, strict=True):
        if found.error is None:
            found.modules = count_modules(case) if effort.count_modules else None
            found.calls = count_calls(case) if effort.count_calls else None
    return series


def count_modules(case: Case) -> int | None:
    """Count the modules that a case imports, its children's too; None for a program that is not Python."""
    try:
        _, said = run_once(case, more={"PYTHONPROFILEIMPORTTIME": "1"})
    except RunFailedError:
        return None
    return sum(line.startswith("import time:") for line in said.splitlines()) or None


def count_calls(case: Case) -> int | None:
    """Count system calls with strace, in all processes; None where there is no strace or it may not trace."""
    strace = shutil.which("strace")
    if strace is None:
        return None
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        log = os.path.join(folder, "calls")  # noqa: PTH118 - a word of a command line
        try:
            run_once(case, wrap=[strace, "-f", "-qq", "-c", "-U", "calls,name", "-o", log])
        except RunFailedError:
            return None
        rows = [line.split() for line in Path(log).read_text().splitlines()]
    return sum(int(row[0]) for row in rows if len(row) == 2 and row[0].isdigit() and row[1] != "total")

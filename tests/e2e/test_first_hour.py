"""A new user's first hour, as typed on a terminal of 80 columns: the commands and answers of `first_hour.txt`.

That file is the script, too: its lines that begin with ``$`` are run, in order, in one home directory and on one
volume. ``ENVKIT_TEST_RECORD=1`` writes it again, apart from answers that differ in numbers alone; read the difference
before it is committed. `first_pytorch.txt` is the same with PyTorch, which takes minutes, on 116 columns. The README
quotes both.
"""

from __future__ import annotations

import os
import platform
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import typer.main
from harness import ROOT, kept_variables
from terminal import on_terminal

from envkit.cli.typed import build_app
from envkit.errors import EXIT_CODES

HOUR = Path(__file__).parent / "first_hour.txt"
PYTORCH = Path(__file__).parent / "first_pytorch.txt"
_WHEEL = "bitsandbytes==0.50.2"
RECORDS = os.environ.get("ENVKIT_TEST_RECORD") == "1"
_TEMPORARY = Path("/tmp")
_HOME, _VOLUME, _PROGRAM = "/home/ada", "/data/envs", "/opt/envkit"
_OF_THE_MACHINE = {"envkit detect", "envkit volume"}  # of these, the exit code alone is compared


@dataclass(frozen=True)
class Step:
    """A command with what it printed; or a line of the file that is no command."""

    command: str | None
    shown: str
    code: int = 0

    @property
    def text(self) -> str:
        if self.command is None:
            return self.shown
        return "\n".join([f"$ {self.command}", *([self.shown] if self.shown else []), f"[{self.code}]"])


def read_steps(text: str) -> list[Step]:
    steps: list[Step] = []
    shown: list[str] | None = None
    for line in text.splitlines():
        if line.startswith("$ "):
            steps.append(Step(line[2:], ""))
            shown = []
        elif shown is None:
            steps.append(Step(None, line))
        elif re.fullmatch(r"\[\d+\]", line):
            steps[-1] = replace(steps[-1], shown="\n".join(shown), code=int(line[1:-1]))
            shown = None
        else:
            shown.append(line)
    return steps


def _words(text: str) -> list[str]:
    """Return the words of an answer; numbers, digests, versions, sizes and build strings look alike.

    So do the channels whose index is missed, of which the first to fail is named. Lines of work that is told only where
    it took over half a second are left out.
    """
    text = re.sub(r"^ *(remove|read|check|clean)  .* \(\d+\.\d s\)\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"the index of \w+", "the index of #", text)
    text = re.sub(r"\b(py\d+)?h[0-9a-f]{7}(_\d+)?(_cpython)?\b|\b[0-9a-f]{8,16}\b", "#", text)
    text = re.sub(r"[-+]?\d+([.,:T-]\d+)*(\+00:00)?( [kMG]?B\b)?", "#", text)
    return re.sub(r"[─━]+", "─", text).split()


def _short(length: int, stack: ExitStack) -> Path:
    """Make a folder whose path is as long as the one that stands for it in the file: lines break where they did."""
    while True:
        path = _TEMPORARY / secrets.token_hex(8)[: length - len(f"{_TEMPORARY}/")]
        try:
            path.mkdir()
        except FileExistsError:
            continue
        stack.callback(shutil.rmtree, path)
        return path


@pytest.fixture(scope="module")
def hour(wheel_channel: Path) -> list[Step]:
    """What the commands of the file print here."""
    with _home({"conda-forge": wheel_channel}) as home:
        return [home.done(step) for step in read_steps(HOUR.read_text(encoding="utf-8"))]


@dataclass(frozen=True)
class _Home:
    """A home directory and a volume, under paths that stand in a file for those that are written there."""

    places: dict[str, str]
    env: dict[str, str]
    project: Path
    columns: int

    def done(self, step: Step) -> Step:
        """Run the command of a step; return the step as it is here."""
        if step.command is None:
            return step
        line = step.command
        for written, real in self.places.items():
            line = line.replace(written, real)
        if line.startswith("export "):
            name, _, value = line.removeprefix("export ").partition("=")
            self.env[name] = value
            return Step(step.command, "", 0)
        code, shown = on_terminal(line, env=self.env, cwd=self.project, columns=self.columns, timeout_s=600.0)
        for written, real in self.places.items():
            shown = shown.replace(real, written)
        return Step(step.command, shown, code)


@contextmanager
def _home(channels: Mapping[str, Path], *, columns: int = 80) -> Iterator[_Home]:
    if sys.platform != "linux" or platform.machine() != "x86_64" or shutil.which("bash") is None:
        pytest.skip("the file was written on linux-64")
    if any(map(os.path.exists, ("/proc/driver/nvidia", "/dev/nvidiactl", "/dev/dxg"))):
        pytest.skip("the file was written on a machine without a GPU")
    with ExitStack() as stack:
        home, volume = _short(len(_HOME), stack), _short(len(_VOLUME), stack)
        for folder in ("bin", "project", "channels"):
            (home / folder).mkdir()
        for name, channel in channels.items():
            (home / "channels" / name).symlink_to(channel)
        (home / "bin/envkit").write_text(f'#!/bin/sh\nexec {sys.executable} -m envkit "$@"\n')
        (home / "bin/envkit").chmod(0o755)
        places = {_VOLUME: str(volume), _HOME: str(home), _PROGRAM: sys.prefix}
        env = {
            **kept_variables(),
            "PATH": f"{home / 'bin'}:/usr/bin:/bin",
            "HOME": str(home),
            "LC_ALL": "C.UTF-8",
            "TERM": "xterm",
            "NO_COLOR": "1",
            "CONDA_CHANNEL_ALIAS": f"file://{home}/channels",
        }
        yield _Home(places, env, home / "project", columns)


def test_the_hour_is_as_it_was_written(hour: list[Step]) -> None:
    _compare(HOUR, hour)


@pytest.mark.full
def test_the_hour_with_pytorch_is_as_it_was_written(tmp_path: Path) -> None:
    """Its packages come from the wheel channel, and a wheel with GPU code from PyPI."""
    channel, wheels = tmp_path / "conda-forge", tmp_path / "wheels"
    script = ROOT / "scripts" / "wheel_channel.py"
    words = [sys.executable, str(script), str(channel), "--with-torch", "numpy", "rich"]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(wheels), _WHEEL]
    for command in (words, pip):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"a wheel is not to be had: {done.stderr.strip()[-300:]}")
    nothing = tmp_path / "nothing"
    (nothing / "noarch").mkdir(parents=True)
    (nothing / "noarch/repodata.json").write_text('{"info": {"subdir": "noarch"}, "packages": {}}')
    with _home({"conda-forge": channel, "pytorch": nothing, "nvidia": nothing}, columns=116) as home:
        for wheel in wheels.iterdir():
            shutil.move(wheel, home.project)
        _compare(PYTORCH, [home.done(step) for step in read_steps(PYTORCH.read_text(encoding="utf-8"))])


def _compare(file: Path, hour: list[Step]) -> None:
    recorded = read_steps(file.read_text(encoding="utf-8"))
    same = [
        was.code == now.code
        and ((was.command in _OF_THE_MACHINE and was.shown != "") or _words(was.shown) == _words(now.shown))
        for was, now in zip(recorded, hour, strict=True)
    ]
    if RECORDS:
        kept = [was if alike else now for was, now, alike in zip(recorded, hour, same, strict=True)]
        file.write_text("\n".join(step.text for step in kept) + "\n", encoding="utf-8")
        return
    for was, now, alike in zip(recorded, hour, same, strict=True):
        assert alike, f"before:\n{was.text}\nnow:\n{now.text}\n(ENVKIT_TEST_RECORD=1 writes it again)"


def test_nothing_goes_unanswered(hour: list[Step]) -> None:
    """No traceback, no option or command of conda that is only unknown, and a hint with each error."""
    asked = [step for step in hour if step.command is not None]
    assert len(asked) >= 60
    for step in asked:
        assert step.code in set(EXIT_CODES) - {70}, step.text
        assert "Traceback" not in step.shown, step.text
        assert "No such" not in step.shown.replace("No such file or directory", ""), step.text
        assert "error (" not in step.shown or "\n hint " in step.shown, step.text


def recorded_steps() -> dict[str, Step]:
    steps = [step for file in (HOUR, PYTORCH) for step in read_steps(file.read_text(encoding="utf-8"))]
    return {step.command: step for step in steps if step.command is not None}


def test_commands_in_answers_can_be_pasted() -> None:
    commands = typer.main.get_command(build_app()).commands  # type: ignore[attr-defined]
    found = 0
    for step in recorded_steps().values():
        for text in re.findall(r"`envkit ([^`]+)`", re.sub(r"[ │]*\n[ │]*", " ", step.shown)):
            words = text.split()
            if words[0] == "COMMAND":
                continue
            assert words[0] in commands, step.text
            if not re.search(r"\b[A-Z]{2,}\b", text) and words[1:] not in ([], ["--help"]):
                commands[words[0]].make_context(words[0], words[1:], resilient_parsing=False)
            found += 1
    assert found > 5


def quotes(rows: list[str], text: str) -> bool:
    """Return whether rows are those of a text, where ``...`` stands for any number of them."""
    parts = "\n".join(rows).split("...")
    if not text.startswith(parts[0].rstrip("\n")) or not text.endswith(parts[-1].lstrip("\n")):
        return False
    place = 0
    for part in parts:
        found = text.find(part.strip("\n"), place)
        if found < 0:
            return False
        place = found + len(part.strip("\n"))
    return len(parts) > 1 or place == len(text)


def test_the_readme_quotes_it() -> None:
    """A command of the README that was recorded has the recorded answer; ``...`` stands for lines that are left out."""
    recorded = recorded_steps()
    blocks = re.findall(r"```console\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    quoted = 0
    for block in blocks:
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, *shown = part.splitlines()
            step = recorded.get(re.split(r"\s+# ", line)[0].strip())
            if step is None or not shown:
                continue
            assert quotes([row for row in shown if row], step.shown), f"README:\n{part}\nrecorded:\n{step.text}"
            quoted += 1
    assert quoted >= 8

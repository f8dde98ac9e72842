"""The import-time API as programs use it: setup scripts, sitecustomize, asyncio, threads, and what its calls cost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from channels import Package, write_channel
from harness import find_python, skip_without_python
from interpreter_cost import costs_at_most

import envkit
from envkit.errors import (
    EnvironmentExistsError,
    HostCannotRunError,
    PackageNotFoundError,
    UnknownEnvironmentError,
    UsageError,
    ValidationFailedError,
    VolumeError,
)

ENSURE_LIMIT_S = 0.050
OTHER_PYTHONS = ("3.8", "3.9", "3.12", "3.13")
# Everything in this process that starts another, or loads a library.
WATCH = """
import sys
seen = []
def watch(event, args):
    if event in {"subprocess.Popen", "os.fork", "os.posix_spawn", "os.system", "os.exec", "ctypes.dlopen"}:
        seen.append(event)
sys.addaudithook(watch)
"""


@pytest.fixture(scope="module")
def volume(wheel_channel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A volume with ``train``: Python and numpy, made by a setup script, as users do; its home goes with it."""
    folder = tmp_path_factory.mktemp("api")
    script = folder / "setup.py"
    script.write_text(
        "import sys, envkit\n"
        "env = envkit.ensure('train', ['numpy'], channels=[sys.argv[1]], override_channels=True, persist=sys.argv[2])\n"
        "print(repr(env.reused), env.prefix)\n"
    )
    done = subprocess.run(
        [sys.executable, script, wheel_channel, folder / "envs"],
        env={**os.environ, "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    reused, prefix = done.stdout.split()
    assert reused == "False"
    assert prefix == os.path.realpath(folder / "envs" / "train")
    assert not done.stderr  # no output unless asked
    yield folder / "envs"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def request_words(wheel_channel: Path, volume: Path) -> str:
    """The request of `volume`, as Python code."""
    return f"'train', ['numpy'], channels=[{str(wheel_channel)!r}], override_channels=True, persist={str(volume)!r}"


def run_python(code: str, *args: str, python: str = sys.executable, **env: str) -> str:
    done = subprocess.run(
        [python, "-c", code, *args], env={**os.environ, **env}, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_ensure_of_what_is_there_starts_nothing(request_words: str) -> None:
    """Also in a fresh home, where no cache tells the fingerprint: the validation itself knows the host again."""
    code = (
        f"{WATCH}\nimport envkit\nenv = envkit.ensure({request_words})\nprint(env.reused, env.validation.verdict, seen)"
    )
    assert run_python(code).split(maxsplit=2) == ["True", "pass", "[]\n"]


def test_ensure_of_what_is_there_is_quick(request_words: str) -> None:
    costs_at_most(f"import envkit; envkit.ensure({request_words})", ENSURE_LIMIT_S)


def test_other_variables_ask_once(request_words: str, isolation: Path) -> None:
    """Where variables changed, a child looks at the host; what it finds is known the next time."""
    code = f"{WATCH}\nimport envkit\nenvkit.ensure({request_words})\nprint(seen)"
    other = {"LD_LIBRARY_PATH": str(isolation)}
    assert "subprocess.Popen" in run_python(code, **other)
    assert run_python(code, **other) == "[]\n"


def test_another_kind_of_host_is_said_and_validated(request_words: str, volume: Path) -> None:
    """The volume comes from elsewhere: its one validation was made on a host with another C library."""
    folder = volume / ".envkit" / "validations" / (volume / "train").resolve().name
    record: dict[str, Any] = {}
    for path in folder.iterdir():
        record = json.loads(path.read_text())
        path.unlink()
    there = {**record["host"], "glibc": "2.17"}
    (folder / "f00.json").write_text(json.dumps({**record, "fingerprint": "f00", "tokens": ["f00"], "host": there}))
    words = "bool(seen), e.reused, e.validation.verdict, e.notes"
    code = f"{WATCH}\nimport envkit\ne = envkit.ensure({request_words})\nprint({words})"
    first = run_python(code)
    assert first.startswith("True True pass ('train was last validated on another kind of host (")
    assert "glibc 2.17" in first
    assert run_python(code) == "False True pass ()\n"


@pytest.fixture(scope="session")
def pythons() -> dict[str, str | None]:
    """Other Pythons that run here; a session's, so that it looks before a test's own HOME hides what pyenv keeps."""
    return {version: find_python(version, "-c") for version in OTHER_PYTHONS}


@pytest.mark.parametrize("version", OTHER_PYTHONS)
def test_inside_an_environment_of_another_python(version: str, pythons: dict[str, str | None], tmp_path: Path) -> None:
    """What a program asks for after `activate` runs on the environment's Python, which may be an older one."""
    python = pythons[version]
    if python is None:
        skip_without_python(version)
    prefix = str(tmp_path / "prefix")
    code = (
        "import os, sys\n"
        f"os.environ['ENVKIT_ACTIVATED'] = '\\n'.join([str(os.getpid()), '/v', 'train', {prefix!r}])\n"
        "import envkit\n"
        "env = envkit.ensure('train', ['numpy'])\n"
        "env.activate()\n"
        "print(env.is_current, env.prefix, envkit.require('train') == env, len(env.environ()) > 1)\n"
    )
    bridge = Path(envkit.__file__).parent / "client" / "bridge"
    assert run_python(code, python=python, PYTHONPATH=str(bridge)).split() == ["True", prefix, "True", "True"]


def test_verbs(volume: Path, wheel_channel: Path) -> None:
    env = envkit.ensure("train", persist=volume)
    assert env.packages["numpy"]
    assert env.python.samefile(env.prefix / "bin" / "python")
    assert env.path == volume / "train"
    assert env == envkit.require("train", persist=volume)
    assert "train" in repr(env)
    assert "<td" in env._repr_html_()

    found = envkit.find("numpy", channels=[str(wheel_channel)], override_channels=True)
    assert found
    assert found.pick is not None
    assert [build.name for build in found] == ["numpy"]
    assert found.pick.spec in {f"numpy={b.version}={b.build}" for b in found.raise_for_error()}
    assert "numpy" in str(found) + found._repr_html_() + repr(found)

    report = envkit.validate("train", persist=volume)
    assert report.ok
    assert report.raise_for_error() is report
    assert {finding.check for finding in report.findings} >= {"files", "python", "import numpy"}
    assert "numpy" in str(report) + report._repr_html_()

    host = envkit.detect()
    assert host.subdir
    assert report.host is not None
    assert host.fingerprint == report.host.fingerprint == report.fingerprint
    assert "subdir" in str(host) + host._repr_html_()


def test_programs_of_the_environment(volume: Path) -> None:
    env = envkit.require("train", persist=volume)
    code = "import os, sys, numpy; print(sys.prefix, os.environ['CONDA_PREFIX'], int(numpy.arange(4).sum()))"
    done = env.run(["python", "-c", code], capture_output=True)
    assert done.stdout.split() == [str(env.prefix), str(env.prefix), "6"]
    with pytest.raises(subprocess.CalledProcessError) as failed:
        env.run(["sh", "-c", "exit 41"])
    assert failed.value.returncode == 41
    assert env.run(["sh", "-c", "exit 41"], check=False).returncode == 41
    assert env.run(["sh", "-c", 'printf "$MORE"'], env={"MORE": "x"}, capture_output=True).stdout == "x"
    assert env.environ({"PATH": "/bin"})["PATH"] == f"{env.prefix}/bin:/bin"
    with pytest.raises(UsageError, match="no command"):
        env.run(["no-such-command"])
    with pytest.raises(UsageError, match="list of words"):
        env.run("python")


def test_errors_are_those_of_the_command_line(volume: Path, wheel_channel: Path) -> None:
    with pytest.raises(UnknownEnvironmentError, match="'nothing'"):
        envkit.ensure("nothing", persist=volume)
    with pytest.raises(UnknownEnvironmentError, match="no volume"):
        envkit.require("train", persist=volume / "missing")
    with pytest.raises(UsageError):
        envkit.require("../train", persist=volume)
    with pytest.raises(PackageNotFoundError):
        envkit.find("no-such-package", channels=[str(wheel_channel)], override_channels=True)
    with pytest.raises(EnvironmentExistsError) as exists:
        envkit.ensure("train", ["rich"], channels=[str(wheel_channel)], override_channels=True, persist=volume)
    assert exists.value.exit_code == 2
    assert exists.value.hint
    assert "--replace" in exists.value.hint


def test_find_without_an_answer_is_a_value_with_an_error(tmp_path: Path) -> None:
    build = Package("pytorch", "2.5.0", "py3.11_cuda12.1_cudnn9_0", depends=["python >=3.11,<3.12.0a0"])
    channel = write_channel(tmp_path / "channel", [build])
    found = envkit.find("pytorch", "12.1", channels=[str(channel)], override_channels=True, driver="470")
    assert not found
    assert found.pick is None
    assert isinstance(found.error, HostCannotRunError)
    with pytest.raises(HostCannotRunError):
        found.raise_for_error()
    assert found.error.message in str(found)


def test_a_damaged_environment_is_told(volume: Path, tmp_path: Path, wheel_channel: Path) -> None:
    made = envkit.create("frail", ["numpy"], channels=[str(wheel_channel)], override_channels=True, persist=volume)
    next(made.prefix.glob("lib/python3*/site-packages/numpy/_core/_multiarray_umath*.so")).unlink()
    report = envkit.validate("frail", persist=volume)
    assert not report
    with pytest.raises(ValidationFailedError):
        report.raise_for_error()
    with pytest.raises(ValidationFailedError):
        envkit.require("frail", persist=volume)
    again = envkit.create(
        "frail", ["numpy"], channels=[str(wheel_channel)], override_channels=True, persist=volume, replace=True
    )
    assert again.prefix != made.prefix
    del tmp_path


def test_from_a_file(volume: Path, wheel_channel: Path, tmp_path: Path) -> None:
    file = tmp_path / "environment.yml"
    text = f"name: other\nchannels: [{wheel_channel.as_uri()}, nodefaults]\ndependencies: [python]\n"
    file.write_text(text + "variables:\n  COLOUR: blue\n")
    made = envkit.ensure("filed", file=file, persist=volume)
    assert not made.reused
    assert made.environ()["COLOUR"] == "blue"
    words = f"'filed', file={str(file)!r}, persist={str(volume)!r}"
    code = f"{WATCH}\nimport envkit\nenvkit.ensure({words})\nprint(seen)"
    assert run_python(code) == "[]\n"
    file.write_text("# said differently\n" + text + "variables:\n  COLOUR: blue\n")
    assert envkit.ensure("filed", file=file, persist=volume) == made
    file.write_text(text)
    with pytest.raises(EnvironmentExistsError):
        envkit.ensure("filed", file=file, persist=volume)
    assert envkit.ensure("filed", file=file, persist=volume, replace=True).prefix != made.prefix


def test_progress_is_told_in_the_callers_thread(volume: Path) -> None:
    events: list[envkit.Event] = []
    assert envkit.validate("train", persist=volume, progress=events.append).ok
    assert [(e.event, e.phase) for e in events] == [("start", "validate"), ("finish", "validate")]
    assert str(events[-1]).startswith("validate: pass")

    def fail(event: envkit.Event) -> None:
        raise LookupError(event.phase)

    with pytest.raises(LookupError, match="validate"):
        envkit.validate("train", persist=volume, progress=fail)


def test_inside_a_running_event_loop_and_in_threads(request_words: str, volume: Path) -> None:
    code = f"""
import asyncio, concurrent.futures, envkit

OTHER_PYTHONS = ("3.8", "3.9", "3.12", "3.13")
async def main():
    one = envkit.ensure({request_words})
    two = await asyncio.to_thread(envkit.validate, "train", persist={str(volume)!r})
    three = await asyncio.create_subprocess_exec("true")
    assert await three.wait() == 0
    return one.reused and two.ok and bool(envkit.detect().subdir)
assert asyncio.run(main())
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    verdicts = list(pool.map(lambda _: envkit.validate("train", persist={str(volume)!r}).verdict, range(4)))
print(verdicts)
"""
    assert run_python(code) == "['pass', 'pass', 'pass', 'pass']\n"


def test_in_a_sitecustomize(request_words: str, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        f"import os, envkit\nos.environ['TRAIN'] = str(envkit.ensure({request_words}).prefix)\n"
    )
    code = "import os; print(os.environ['TRAIN'])"
    assert "train-" in run_python(code, PYTHONPATH=str(tmp_path))


def test_a_sitecustomize_of_the_child_does_not_start_another(volume: Path) -> None:
    """One in site-packages is run by every Python that is started, those of envkit among them."""
    code = f"import envkit; print(bool(envkit.ensure('train', persist={str(volume)!r})))"
    assert run_python(code, ENVKIT_WITHIN="1") == "True\n"
    code = "import envkit\ntry: envkit.find('x')\nexcept envkit.EnvkitError as error: print(error)"
    assert "at work in a process above" in run_python(code, ENVKIT_WITHIN="1")


def _script(folder: Path, request_words: str) -> Path:
    script = folder / "job.py"
    script.write_text(
        "import os, sys\n"
        "print('begin', os.getpid(), flush=True)\n"
        "import envkit\n"
        f"env = envkit.ensure({request_words})\n"
        "os.chdir('/')\n"
        "env.activate()\n"
        "import numpy\n"
        "here = sys.prefix == str(env.prefix)\n"
        "print('inside', here, env.is_current, sys.argv[1:], os.environ['CONDA_DEFAULT_ENV'])\n"
        "print([m for m in ('pydantic', 'typer') if __import__('importlib.util').util.find_spec(m)])\n"
    )
    return script


def test_activate_goes_on_inside_once(request_words: str, tmp_path: Path) -> None:
    script = _script(tmp_path, request_words)
    done = subprocess.run(
        [sys.executable, "-X", "utf8", script.name, "a b", "--flag"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == lines[1]  # the same process, begun anew
    assert lines[2:] == ["inside True True ['a b', '--flag'] train", "[]"]


def test_activate_without_a_script_says_what_to_do(request_words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-"],
        input=f"import envkit\nenvkit.ensure({request_words}).activate()\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "envkit.errors.UsageError" in done.stderr


def processes_with(marker: str) -> list[int]:
    """Processes whose variables hold `marker`: a child keeps what its parent had."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if marker.encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_parent_that_is_killed_leaves_no_child(how: signal.Signals, wheel_channel: Path, tmp_path: Path) -> None:
    marker = f"ENVKIT_TEST_MARKER={tmp_path}"
    code = (
        "import envkit, sys\n"
        f"envkit.create('train', ['numpy'], channels=[{str(wheel_channel)!r}], override_channels=True,"
        f" persist={str(tmp_path / 'envs')!r}, progress=lambda e: print(e.event, e.phase, flush=True))\n"
    )
    environ: Mapping[str, str] = {**os.environ, "ENVKIT_TEST_MARKER": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", code], env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as parent:
        assert parent.stdout is not None
        for line in parent.stdout:
            if line.split() == ["start", "bytecode"]:  # its own child runs the environment's Python now
                break
        time.sleep(0.3)
        assert len(processes_with(marker)) > 1
        parent.send_signal(how)
        parent.wait(30)
    deadline = time.monotonic() + 10
    while (left := processes_with(marker)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left
    assert not (tmp_path / "envs" / "train").is_symlink()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_arguments_do_not_show_in_process_lists(tmp_path: Path) -> None:
    script = tmp_path / "ask.py"
    script.write_text(
        "import os, pathlib, threading, envkit\n"
        "seen = set()\n"
        "def watch():\n"
        "    while True:\n"
        "        for path in pathlib.Path('/proc').glob('[0-9]*/cmdline'):\n"
        "            try: seen.add(path.read_bytes())\n"
        "            except OSError: pass\n"
        "threading.Thread(target=watch, daemon=True).start()\n"
        "token = os.environ.pop('SECRET')\n"
        "try: envkit.find('numpy', channels=[f'http://127.0.0.1:9/t/{token}/private'], override_channels=True)\n"
        "except envkit.EnvkitError as error: print(error.code, token in f'{error} {error.hint}')\n"
        "print(any(b'start.py' in line for line in seen), any(token.encode() in line for line in seen))\n"
    )
    done = subprocess.run(
        [sys.executable, script], env={**os.environ, "SECRET": "hush-hush"}, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == ["channel False", "True False"], done.stderr


def test_a_volume_mounted_elsewhere(volume: Path, tmp_path: Path) -> None:
    """Files of an environment name its path: it works where it was made, and through a link to there."""
    (tmp_path / "alias").symlink_to(volume)
    seen = envkit.require("train", persist=tmp_path / "alias")
    assert seen.prefix == envkit.require("train", persist=volume).prefix
    moved = tmp_path / "moved"
    generation = moved / ".envkit" / "g" / seen.prefix.name
    generation.mkdir(parents=True)
    (moved / "train").symlink_to(f".envkit/g/{seen.prefix.name}")
    shutil.copy(seen.prefix / ".envkit.json", generation)
    with pytest.raises(VolumeError, match="was made as"):
        envkit.require("train", persist=moved)
    words = ["run", "--persist", str(moved), "train", "true"]
    assert subprocess.run([sys.executable, "-m", "envkit", *words], capture_output=True, check=False).returncode == 7


def test_json_of_an_old_manifest_is_refused(volume: Path, tmp_path: Path) -> None:
    root = tmp_path / "envs"
    generation = root / ".envkit" / "g" / "train-00000000"
    generation.mkdir(parents=True)
    (root / "train").symlink_to(".envkit/g/train-00000000")
    (generation / ".envkit.json").write_text(json.dumps({"schema_version": 99}))
    with pytest.raises(envkit.EnvkitError, match="cannot be read") as refused:
        envkit.require("train", persist=root)
    assert refused.value.code == "integrity"
    del volume

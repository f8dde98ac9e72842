"""What conda is told, seen from its side: a stand-in program writes down how it was called. No conda needed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from channels import Package, write_channel

from envkit.engines.base import ChannelAccess
from envkit.engines.conda import CondaEngine, find_conda
from envkit.engines.condarc import REQUEST_NAME, request_records, roots
from envkit.engines.registry import list_engines, make_engine
from envkit.errors import ChannelError, EnvkitError, NoSpaceError, SettingsError, SpecError, UnsatisfiableError
from envkit.models.network import NetworkPolicy
from envkit.models.solve import Pin, SolveTask, VirtualPackage
from envkit.process import run_child

Access = Callable[..., ChannelAccess]
Program = Callable[[object], Path]
Seen = Callable[[], Any]

PLATFORMS = ("linux-64", "noarch")
STAND_IN = """#!{python} -I
import json, os, pathlib, stat, sys, time
rc = pathlib.Path(os.environ["CONDARC"])
seen = {{"argv": sys.argv[1:], "env": dict(os.environ), "condarc": rc.read_text()}}
seen["mode"], seen["folder"] = (stat.S_IMODE(path.stat().st_mode) for path in (rc, rc.parent))
seen["beside"] = sorted(path.name for path in rc.parent.iterdir())
pathlib.Path({seen!r}).write_text(json.dumps(seen))
{action}
"""


@pytest.fixture
def seen(tmp_path: Path) -> Seen:
    return lambda: json.loads((tmp_path / "seen.json").read_text())


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """A conda that prints one answer, a document or a text."""

    def make(answer: object) -> Path:
        text = answer if isinstance(answer, str) else json.dumps(answer)
        action = text.removeprefix("run:") if text.startswith("run:") else f"print({text!r})"
        path = tmp_path / "conda"
        path.write_text(STAND_IN.format(python=sys.executable, seen=str(tmp_path / "seen.json"), action=action))
        path.chmod(0o755)
        return path

    return make


def test_credentials_are_in_one_private_file_only(program: Program, access_of: Access, seen: Seen) -> None:
    access = access_of("https://someone:s3cr3t@example.org/t/tk-0123456789/private")
    CondaEngine(program({"actions": {}})).solve(SolveTask(("lib",), platforms=PLATFORMS), access=access)
    told = seen()
    assert "https://someone:s3cr3t@example.org/t/tk-0123456789/private" in told["condarc"]
    assert (told["mode"], told["folder"]) == (0o600, 0o700)
    elsewhere = json.dumps([told["argv"], told["env"]])
    assert "s3cr3t" not in elsewhere
    assert "tk-0123456789" not in elsewhere
    assert not Path(told["env"]["CONDARC"]).parent.exists()
    assert str(access.index_dir) not in told["condarc"]  # conda writes URLs beside its indexes


def test_the_task_decides_and_the_rest_stays_the_users(
    program: Program, access_of: Access, seen: Seen, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "mine").write_text("solver: classic\n")
    for name, value in {
        "CONDARC": str(tmp_path / "mine"),
        "CONDA_CHANNELS": "defaults",
        "CONDA_OVERRIDE_CUDA": "99",
        "CONDA_SOLVER": "classic",
        "CONDA_PKGS_DIRS": "/elsewhere",
        "PYTHONPATH": "/elsewhere",
        "HTTPS_PROXY": "http://proxy:3128",
    }.items():
        monkeypatch.setenv(name, value)
    task = SolveTask(("lib",), platforms=PLATFORMS, channel_priority="flexible")
    access = access_of("/srv/channel", policy=NetworkPolicy(offline=True))
    assert CondaEngine(program({"actions": {}})).solve(task, access=access) == ()
    told = seen()
    assert told["env"]["CONDA_SOLVER"] == "classic"
    assert told["env"]["HTTPS_PROXY"] == "http://proxy:3128"
    assert told["env"]["CONDA_OVERRIDE_CUDA"] == ""
    assert not {"CONDA_CHANNELS", "CONDA_PKGS_DIRS", "PYTHONPATH"} & set(told["env"])
    assert ".condarc" in told["beside"]  # the user's own, read before ours
    for line in ("offline: true  #!final", 'channel_priority: "flexible"  #!final', "channels:  #!final"):
        assert line in told["condarc"].splitlines()
    assert f'  - "{access.index_dir}/conda"' in told["condarc"].splitlines()
    assert told["argv"][:4] == ["create", "--dry-run", "--json", "--no-default-packages"]
    assert told["argv"][-3:] == ["--", REQUEST_NAME, "lib"]


def test_one_record_asks_for_one_spec_of_a_name() -> None:
    pin = Pin("torch ==2.5 py*", "chosen")
    task = SolveTask(
        ("torch * *cuda*", pin.spec, "numpy"),
        ("torch * *cuda*", "torch <3", "cudnn <9"),
        virtual_packages=(VirtualPackage("__unix", "0"), VirtualPackage("__cuda", "12.4")),
        pins=(pin,),
    )
    assert roots(task) == ("torch * *cuda*", "numpy")
    records = {str(r["name"]): r for r in request_records(task).values()}
    assert records["__cuda"]["version"] == "12.4"
    assert "__unix" not in records
    asked = [r for name, r in records.items() if name.startswith(REQUEST_NAME)]
    texts = [text for r in asked for key in ("depends", "constrains") for text in r[key]]  # type: ignore[attr-defined]
    assert set(texts) >= {pin.spec, "torch * *cuda*", "torch <3", "cudnn <9", "__cuda"}
    for one in asked:
        names = [text.split()[0] for key in ("depends", "constrains") for text in one[key]]  # type: ignore[attr-defined]
        assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("PackagesNotFoundInChannelsError", UnsatisfiableError),
        ("LibMambaUnsatisfiableError", UnsatisfiableError),
        ("UnsatisfiableError", UnsatisfiableError),
        ("SpecsConfigurationConflictError", UnsatisfiableError),
        ("InvalidVersionSpec", SpecError),
        ("UnavailableInvalidChannel", ChannelError),
        ("CondaHTTPError", ChannelError),
        ("CondaSSLError", ChannelError),
        ("NoSpaceLeftError", NoSpaceError),
        ("CondaEnvironmentNotFoundError", SettingsError),
    ],
)
def test_errors_are_translated(program: Program, access_of: Access, kind: str, error: type[EnvkitError]) -> None:
    access = access_of("https://someone:s3cr3t@example.org/private")
    document = {"exception_name": kind, "message": "at https://someone:s3cr3t@example.org/private: broken"}
    with pytest.raises(error, match="broken") as caught:
        CondaEngine(program(document)).solve(SolveTask(("lib",), platforms=PLATFORMS), access=access)
    assert "s3cr3t" not in caught.value.message
    assert caught.value.hint


def test_packages_that_do_not_go_together_are_refused(program: Program, access_of: Access) -> None:
    """conda's classic solver was seen to choose such."""
    url = "file:///srv/channel/linux-64"
    chosen = [
        {"name": "libblas", "version": "3.9", "depends": ["mkl >=2024"]},
        {"name": "mkl", "version": "2022.2", "depends": []},
    ]
    fetched = [
        {**r, "build": "0", "subdir": "linux-64", "fn": f"{r['name']}.conda", "url": f"{url}/{r['name']}.conda"}
        for r in chosen
    ]
    engine, task = CondaEngine(program({"actions": {"FETCH": fetched}})), SolveTask(("libblas",), platforms=PLATFORMS)
    with pytest.raises(
        UnsatisfiableError, match=r"do not go together: libblas.conda: mkl >=2024: mkl 2022\.2"
    ) as caught:
        engine.solve(task, access=access_of("/srv/channel"))
    assert "--engine rattler" in str(caught.value.hint)


@pytest.mark.parametrize("answer", ["Segmentation fault", "run:sys.exit(3)", "run:sys.exit('conda: no')"])
def test_a_broken_conda_is_said_so(program: Program, access_of: Access, answer: str) -> None:
    with pytest.raises(SettingsError, match="conda") as caught:
        CondaEngine(program(answer)).query("lib", platforms=PLATFORMS, access=access_of("/srv/channel"))
    assert "rattler" in str(caught.value.hint)


def test_offline_without_an_index_is_no_empty_channel(program: Program, access_of: Access) -> None:
    access = access_of("https://example.org/channel", policy=NetworkPolicy(offline=True))
    answer = {"exception_name": "PackagesNotFoundInChannelsError", "message": "not available"}
    with pytest.raises(ChannelError, match="offline"):
        CondaEngine(program(answer)).query("lib", platforms=PLATFORMS, access=access)


def _gone(pid: int) -> bool:
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


SLOW = "run:import subprocess; p = subprocess.Popen(['sleep', '60']); print(p.pid, flush=True); time.sleep(60)"


def test_a_time_limit_kills_the_whole_group(program: Program, access_of: Access) -> None:
    started = time.monotonic()
    with pytest.raises(UnsatisfiableError, match="in time"):
        CondaEngine(program(SLOW)).solve(
            SolveTask(("lib",), platforms=PLATFORMS, timeout_s=1), access=access_of("/srv/channel")
        )
    assert time.monotonic() - started < 10


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_a_killed_group_leaves_no_process(program: Program) -> None:
    env = {**os.environ, "CONDARC": str(program(SLOW))}
    ended = run_child([program(SLOW)], env=env, timeout_s=2)
    assert ended.state == "timed-out"
    assert _gone(int(ended.text.split()[0]))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_an_interrupted_command_takes_its_solver_along(program: Program, seen: Seen, tmp_path: Path) -> None:
    channel = write_channel(tmp_path / "channel", [Package("lib")])
    action = "run:pathlib.Path(sys.argv[0]).with_name('pid').write_text(str(os.getpid())); time.sleep(60)"
    env = {**os.environ, "CONDA_EXE": str(program(action))}
    command = ["find", "lib", "-c", str(channel), "--override-channels", "--engine", "conda"]
    process = subprocess.Popen([sys.executable, "-m", "envkit", *command], env=env, stderr=subprocess.PIPE, text=True)
    written = tmp_path / "pid"
    for _ in range(400):
        if written.exists() and written.read_text():
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 143
    assert "interrupted" in err
    assert _gone(int(written.read_text()))
    assert seen()["argv"][0] == "search"


@pytest.mark.usefixtures("no_conda")
def test_the_registry_says_what_is_here_and_how_to_get_the_rest(tmp_path: Path) -> None:
    infos = {info.name: info for info in list_engines({"PATH": str(tmp_path)})}
    assert list(infos) == ["rattler", "libmamba", "conda"]
    assert infos["rattler"].available
    assert infos["rattler"].version
    assert not infos["conda"].available
    assert "CONDA_EXE" in str(infos["conda"].hint)
    with pytest.raises(SettingsError, match="conda") as caught:
        make_engine("conda", {"PATH": str(tmp_path)})
    assert "Miniforge" in str(caught.value.hint)
    with pytest.raises(SettingsError, match="pip"):
        make_engine("pip")


def test_a_conda_beside_envkit_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The conda package brings conda into the environment that it is in, which nobody need activate."""
    for folder in ("own/bin", "path"):
        (tmp_path / folder).mkdir(parents=True)
    own, other = tmp_path / "own" / "bin" / "conda", tmp_path / "path" / "conda"
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "own"))
    assert find_conda({"PATH": str(tmp_path / "path")}) is None
    own.touch(0o755)
    assert find_conda({"PATH": str(tmp_path / "path")}) == own
    other.touch(0o755)
    assert find_conda({"PATH": str(tmp_path / "path")}) == other
    assert find_conda({"PATH": str(tmp_path / "path"), "CONDA_EXE": str(own)}) == own


def test_the_version_of_conda_is_read_without_starting_it(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "conda-meta").mkdir()
    (tmp_path / "conda-meta" / "conda-26.7.1-py312_0.json").touch()
    program = tmp_path / "bin" / "conda"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    info = list_engines({"PATH": str(program.parent)})[2]
    assert (info.available, info.version, info.where) == (True, "26.7.1", str(program))

"""conda and mamba on a volume of envkit: they list its environments and run in them; what they change is seen."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from channels import Package
from harness import Shell

# Read before the isolation takes them away.
PROGRAMS = {
    "conda": os.environ.get("ENVKIT_TEST_CONDA") or os.environ.get("CONDA_EXE") or shutil.which("conda"),
    "mamba": os.environ.get("ENVKIT_TEST_MAMBA")
    or os.environ.get("MAMBA_EXE")
    or shutil.which("mamba")
    or shutil.which("micromamba"),
}
APP = Package(
    "app",
    "1.0",
    files={
        "bin/app": b'#!/bin/sh\necho "app $CONDA_PREFIX"\n',
        "share/app.txt": b"app",
        "share/link.txt": "app.txt",
    },
)
TOOL = Package("tool", "1.0", files={"share/tool.txt": b"tool"})


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    shell = Shell.below(tmp_path)
    shell.publish(APP, TOOL)
    shell.create("app")
    return shell


def program(name: str) -> str:
    found = PROGRAMS[name]
    if found is None:
        pytest.skip(f"{name} is not installed (ENVKIT_TEST_{name.upper()} may name it)")
    return found


def call(name: str, shell: Shell, *args: str, code: int = 0) -> str:
    """What the program says on stdout; on stderr too where it fails as it should."""
    # conda's default solver need not be installed; mamba wants a root of its own.
    env = shell.env(CONDA_SOLVER="classic", MAMBA_ROOT_PREFIX=str(shell.home / "root"), CONDA_PKGS_DIRS=str(shell.home))
    done = subprocess.run([program(name), *args], env=env, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stdout + done.stderr


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_lists_the_environment(name: str, shell: Shell) -> None:
    assert str(shell.volume / "demo") in call(name, shell, "env", "list").split()
    listed = [os.path.realpath(path) for path in json.loads(call(name, shell, "env", "list", "--json"))["envs"]]
    assert str(shell.prefix()) in listed


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("how", ["name", "link"])
def test_it_runs_in_it(name: str, how: str, shell: Shell) -> None:
    which = ("-n", "demo") if how == "name" else ("-p", str(shell.volume / "demo"))
    word, prefix = call(name, shell, "run", *which, "app").split()
    assert word == "app"
    assert os.path.realpath(prefix) == str(shell.prefix())


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_lists_the_packages(name: str, shell: Shell) -> None:
    found = json.loads(call(name, shell, "list", "-n", "demo", "--json"))
    assert [(package["name"], package["version"]) for package in found] == [("app", "1.0")]


def test_the_record_of_a_link_tells_no_digest_that_conda_reads_otherwise(shell: Shell) -> None:
    record = json.loads((shell.prefix() / "conda-meta/app-1.0-0.json").read_text())
    link = next(entry for entry in record["paths_data"]["paths"] if entry["_path"] == "share/link.txt")
    assert link["path_type"] == "softlink"
    assert "sha256_in_prefix" not in link


def test_conda_doctor_finds_nothing_altered(shell: Shell) -> None:
    assert "There are no packages with altered files" in call("conda", shell, "doctor", "-n", "demo")


@pytest.mark.parametrize("verb", ["install", "remove"])
def test_conda_is_refused_with_the_way_on(verb: str, shell: Shell) -> None:
    channel = ("-c", f"file://{shell.channel}", "--override-channels")
    args = (verb, "-y", "-n", "demo", *channel, "tool" if verb == "install" else "app")
    said = call("conda", shell, *args, code=1)
    assert "is marked as frozen" in said
    assert "envkit install -n NAME" in said
    assert shell.ok("doctor", "--full", "--json").json["healthy"]


def test_what_mamba_changes_is_seen_and_mended(shell: Shell) -> None:
    channel = ("-c", f"file://{shell.channel}", "--override-channels")
    before = shell.prefix()
    call("mamba", shell, "install", "-y", "-n", "demo", *channel, "tool")
    assert (before / "share/tool.txt").is_file(), "mamba heeds the frozen marker now: say so in the README"
    outcome = shell.run("doctor", "demo")
    assert outcome.code == 6
    assert "added by another tool: tool-1.0" in outcome.out
    shell.ok("doctor", "demo", "--fix")
    assert not (shell.volume / "demo/share/tool.txt").exists()
    call("mamba", shell, "remove", "-y", "-n", "demo", "app")
    outcome = shell.run("doctor", "demo")
    assert outcome.code == 6
    assert "taken away: app-1.0" in outcome.out
    shell.ok("doctor", "demo", "--fix")
    assert shell.ok("run", "demo", "--", "app").out.startswith("app ")

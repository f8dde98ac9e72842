"""Several roots in CONDA_ENVS_PATH: a name is found in any of them, a new one goes where conda would put it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from channels import Package, write_channel
from harness import Shell, run_program


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    shell = Shell.below(tmp_path)
    write_channel(shell.channel, [Package("tool", files={"bin/tool": b"#!/bin/sh\necho hi\n"}), Package("lib")])
    (tmp_path / "first").mkdir()
    second = Shell(tmp_path / "second", shell.channel, shell.home)
    second.create("tool", name="demo", args=("--no-validate",))
    return Shell(Path(f"{tmp_path}/first:{tmp_path}/second"), shell.channel, shell.home)


def test_every_verb_finds_a_name_in_any_root(shell: Shell, tmp_path: Path) -> None:
    assert shell.ok("run", "demo", "--", "tool").out == "hi\n"
    assert str(tmp_path / "second") in shell.ok("activate", "demo", "--shell", "bash").out
    for words in (("show", "demo"), ("history", "demo"), ("export", "demo"), ("validate", "demo"), ("doctor", "demo")):
        assert shell.ok(*words, "--json").json
    code = "import envkit, sys; print(envkit.require('demo').prefix)"
    required = run_program([sys.executable, "-c", code], env=shell.env())
    assert required.out.startswith(str(tmp_path / "second")), required.err
    shell.ok("install", "-n", "demo", "lib", "-c", str(shell.channel), "--override-channels", "--no-validate")
    shell.ok("rollback", "demo")
    shell.ok("clone", "demo", "copy")
    shell.ok("rename", "demo", "other")
    document = shell.ok("list", "--json").json
    assert {e["name"] for e in document["environments"]} == {"copy", "other"}
    assert document["volumes"][-1] == str(tmp_path / "second")
    shell.ok("remove", "other")
    assert not (tmp_path / "second/other").exists()


def test_completion_and_kernels_look_into_each_root(shell: Shell, tmp_path: Path) -> None:
    completes = {"_ENVKIT_COMPLETE": "complete_bash", "COMP_WORDS": "envkit run d", "COMP_CWORD": "2"}
    assert shell.run(**completes).out.split() == ["demo"]
    folder = tmp_path / "second/.envkit/jupyter/kernels/envkit-demo"
    folder.mkdir(parents=True)
    told = {"volume": str(tmp_path / "second"), "environment": "demo"}
    spec = {"argv": ["python"], "display_name": "Demo", "metadata": {"envkit": told}}
    (folder / "kernel.json").write_text(json.dumps(spec))
    assert [kernel["environment"] for kernel in shell.ok("kernel", "list", "--json").json["kernels"]] == ["demo"]


def test_the_active_environment_runs_what_follows_two_dashes(shell: Shell, tmp_path: Path) -> None:
    active = {"CONDA_PREFIX": str(tmp_path / "second/demo")}
    for words in (
        ("run", "--", "tool"),
        ("run", "--persist", "/nowhere", "--", "tool"),
        ("run", "--no-capture", "--", "tool"),
    ):
        assert shell.ok(*words, **active).out == "hi\n"
    refused = shell.run("run", "--", "tool")
    assert (refused.code, "none is active" in refused.err) == (2, True)


def test_a_new_one_goes_to_the_first_root_and_a_known_one_stays(shell: Shell, tmp_path: Path) -> None:
    shell.create("lib", name="new", args=("--no-validate",))
    assert (tmp_path / "first/new").is_symlink()
    again = shell.create("tool", name="demo", args=("--no-validate",))
    assert again["reused"]
    assert not (tmp_path / "first/demo").exists()


def test_a_root_that_is_not_there_hides_no_other(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "first").rmdir()
    assert {e["name"] for e in shell.ok("list", "--json").json["environments"]} == {"demo"}

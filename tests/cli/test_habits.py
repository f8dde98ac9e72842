"""The environment that a command is about, and the words of other tools."""

from __future__ import annotations

from pathlib import Path

import pytest
from channels import Package
from harness import Shell


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    shell = Shell.below(tmp_path_factory.mktemp("habits"))
    shell.publish(Package("tool", "1.0", files={"lib/tool.txt": b"1"}), Package("more", "1.0", files={"lib/x": b"1"}))
    shell.create("tool", args=("--no-validate",))
    return shell


def ways(shell: Shell) -> dict[str, tuple[tuple[str, ...], dict[str, str]]]:
    link, generation = shell.volume / "demo", shell.prefix()
    return {
        "argument": (("demo",), {}),
        "-n": (("-n", "demo"), {}),
        "--name": (("--name=demo",), {}),
        "-p": (("-p", str(link)), {}),
        "a path": ((str(link),), {}),
        "-p, a generation": (("--prefix", str(generation)), {}),
        "active": ((), {"CONDA_PREFIX": str(generation)}),
    }


@pytest.mark.parametrize("way", ["argument", "-n", "--name", "-p", "a path", "-p, a generation", "active"])
def test_one_environment_in_each_way(shell: Shell, way: str) -> None:
    words, variables = ways(shell)[way]
    elsewhere = {"CONDA_ENVS_PATH": "/nowhere"} if way in {"-p", "a path", "-p, a generation", "active"} else {}
    for verb in ("show", "history", "export"):
        assert "demo" in shell.ok(verb, *words, **variables, **elsewhere).out
    if way != "active":  # without a name, doctor checks the volume
        assert shell.run("doctor", *words, "--json", **elsewhere).code in {0, 6}


@pytest.mark.parametrize(
    ("args", "cause", "cure"),
    [
        (("show",), "no environment is given, and none is active", "-n NAME"),
        (("show", "a", "-n", "b"), "more than one environment is given", "-p DIR"),
        (("show", "-n", ""), "is empty", "envkit list"),
        (("show", "-p", "/usr"), "/usr is not an environment of envkit", "envkit list"),
        (("remove",), "no environment is given", "name"),
        (("remove", "a", "b"), "one environment is removed at a time", "uninstall -n NAME a b"),
        (("env", "update", "-f", "x"), "not updated from a file", "create -n NAME -f FILE --replace"),
        (("env", "frobnicate"), "no command `env`", "envkit list"),
        (("info",), "no command `info`", "envkit detect"),
        (("init", "bash"), "no shell needs to be prepared", "envkit activate"),
    ],
)
def test_what_is_refused_names_the_command(shell: Shell, args: tuple[str, ...], cause: str, cure: str) -> None:
    said = shell.run(*args)
    assert said.code == 2
    assert cause in said.err
    assert cure in said.err
    assert said.out == ""


def test_words_of_conda(shell: Shell) -> None:
    assert "demo" in shell.ok("env", "list").out
    assert "demo" in shell.ok("info", "--envs").out
    assert "tool" in shell.ok("list", "-n", "demo").out
    assert "tool" in shell.ok("search", "tool", "-c", str(shell.channel), "--override-channels").out
    shell.ok("add", "-n", "demo", "more", "--no-validate")
    assert "nothing was made" in shell.ok("update", "--all", "-n", "demo", "--no-validate").out
    shell.ok("remove", "-n", "demo", "more")
    assert "more" not in shell.ok("list", "-n", "demo").out
    shell.ok("rename", "-n", "demo", "other")
    shell.ok("rename", "other", "demo")
    shell.ok("rollback", "-n", "demo", "1")
    assert shell.ok("run", "-n", "demo", "echo", "hi").out == "hi\n"
    assert (
        shell.ok("run", "demo", "--persist", str(shell.volume), "--", "echo", "hi", CONDA_ENVS_PATH="/nowhere").out
        == "hi\n"
    )


def test_an_active_environment_of_another_tool_is_not_changed(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "conda-meta").mkdir()
    said = shell.run("upgrade", CONDA_PREFIX=str(tmp_path))
    assert said.code == 2
    assert "not an environment of envkit" in said.err

"""Activation in real shells: what conda's own activation leaves, but with the generation; and nothing after it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from channels import Package, write_channel
from harness import Envkit

from envkit.activation import Steps
from envkit.shells import dialect, render

# Read before the isolation takes it away.
CONDA = os.environ.get("ENVKIT_TEST_CONDA") or shutil.which("conda")
SHELLS = ("bash", "zsh", "dash", "ksh", "fish", "tcsh")
# What a shell sets by itself.
OWN = {"_", "SHLVL", "PWD", "OLDPWD", "LINES", "COLUMNS", "HOST", "HOSTTYPE", "VENDOR", "OSTYPE", "MACHTYPE", "GROUP"}
OWN |= {"LOGNAME", "USER", "PS1", "A__z"}

SH = 'export FROM_SCRIPT="$CONDA_PREFIX"; export TOOL_PATH="$CONDA_PREFIX/tool:$TOOL_PATH"\n'
SH_OFF = "unset FROM_SCRIPT TOOL_PATH\n"
FISH = 'set -gx FROM_SCRIPT "$CONDA_PREFIX"; set -gx TOOL_PATH "$CONDA_PREFIX/tool:$TOOL_PATH"\n'
FISH_OFF = "set -e FROM_SCRIPT; set -e TOOL_PATH\n"
CSH = 'setenv FROM_SCRIPT "$CONDA_PREFIX"\nsetenv TOOL_PATH "${CONDA_PREFIX}/tool:"\n'
CSH_OFF = "unsetenv FROM_SCRIPT\nunsetenv TOOL_PATH\n"

FILES: dict[str, bytes | str] = {
    "bin/tool": b"#!/bin/sh\necho tool\n",
    "etc/conda/env_vars.d/tool.json": b'{"TOOL_MODE": "it is on"}',
    **{f"etc/conda/activate.d/tool{s}": t.encode() for s, t in ((".sh", SH), (".fish", FISH), (".csh", CSH))},
    **{
        f"etc/conda/deactivate.d/tool{s}": t.encode()
        for s, t in ((".sh", SH_OFF), (".fish", FISH_OFF), (".csh", CSH_OFF))
    },
}


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A volume with the environment ``train`` of one package that has scripts and variables."""
    folder = tmp_path_factory.mktemp("shells")
    channel = write_channel(folder / "channel", [Package("tool", files=FILES)])
    words: list[str | Path] = [
        "create",
        "tool",
        "-n",
        "train",
        "-c",
        channel,
        "--override-channels",
        "--persist",
        folder / "envs",
    ]
    subprocess.run(
        [sys.executable, "-m", "envkit", *words],
        env={**os.environ, "HOME": str(folder)},
        check=True,
        capture_output=True,
    )
    return folder / "envs"


def run_shell(shell: str, code: str, **env: str) -> str:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"no {shell} here")
    flags = {"zsh": ["-f"], "tcsh": ["-f"], "fish": ["--no-config"]}.get(shell, [])
    done = subprocess.run(
        [program, *flags, "-c", code], env={**os.environ, **env}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout


def environment_after(shell: str, *commands: str) -> dict[str, str]:
    out = run_shell(shell, "\n".join([*commands, "env -0"]))
    found = dict(entry.split("=", 1) for entry in out.split("\0") if "=" in entry)
    return {name: value for name, value in found.items() if name not in OWN}


def evaluated(shell: str, *words: str | Path) -> str:
    command = " ".join(f"'{word}'" for word in (sys.executable, "-m", "envkit", *words, "--shell", shell))
    if shell == "fish":
        return f"{command} | source"
    if shell == "tcsh":  # its eval joins lines
        return f"{command} > $HOME/code.csh\nsource $HOME/code.csh"
    return f'eval "$({command})"'


@pytest.mark.parametrize("shell", SHELLS)
def test_activate_and_deactivate(shell: str, volume: Path) -> None:
    prefix = os.path.realpath(volume / "train")
    before = environment_after(shell)
    inside = environment_after(shell, evaluated(shell, "activate", "train", "--persist", volume))
    changed = {name: value for name, value in inside.items() if before.get(name) != value}
    assert changed == {
        "PATH": f"{prefix}/bin:{before['PATH']}",
        "CONDA_PREFIX": prefix,
        "CONDA_SHLVL": "1",
        "CONDA_DEFAULT_ENV": "train",
        "CONDA_PROMPT_MODIFIER": "(train) ",
        "TOOL_MODE": "it is on",
        "FROM_SCRIPT": prefix,
        "TOOL_PATH": f"{prefix}/tool:",
    }
    after = environment_after(
        shell, evaluated(shell, "activate", "train", "--persist", volume), evaluated(shell, "deactivate")
    )
    assert after == before


@pytest.mark.parametrize("shell", SHELLS)
def test_hook_puts_the_generation_in_the_place_of_the_link(shell: str, volume: Path) -> None:
    """What conda and mamba do when they are given the link, in their order: variables, then scripts by name."""
    link, prefix = volume / "train", os.path.realpath(volume / "train")
    suffix = {"fish": ".fish", "tcsh": ".csh"}.get(shell, ".sh")
    set_ = {"fish": "set -gx {} {}", "tcsh": "setenv {} {}"}.get(shell, "export {}={}")
    source = "." if suffix == ".sh" else "source"
    path = f"/usr/local/bin {link}/bin /usr/bin /bin" if shell == "fish" else f"/usr/local/bin:{link}/bin:/usr/bin:/bin"
    inside = environment_after(
        shell,
        set_.format("PATH", path),
        set_.format("CONDA_PREFIX", f"'{link}'"),
        *(f"{source} '{path}'" for path in sorted((link / "etc/conda/activate.d").glob(f"*{suffix}"))),
    )
    assert inside["PATH"] == f"/usr/local/bin:{prefix}/bin:/usr/bin:/bin"
    assert inside["CONDA_PREFIX"] == prefix
    untouched = environment_after(
        shell, set_.format("CONDA_PREFIX", "/elsewhere"), f"{source} '{prefix}/etc/conda/activate.d/~~envkit{suffix}'"
    )
    assert untouched["CONDA_PREFIX"] == "/elsewhere"


@pytest.mark.parametrize("shell", SHELLS)
def test_any_value_arrives_as_it_is(shell: str, isolation: Path) -> None:
    nasty = """it's "a" $HOME `x` \\ back ! bang # hash * ; & | ~ %d"""
    code = render(Steps((), ["GONE"], {"NASTY": nasty, "PATH": os.environ["PATH"]}, ()), dialect(shell))
    (isolation / "code").write_text(code)
    source = "source" if shell in {"fish", "tcsh"} else "."
    assert environment_after(shell, f"{source} $HOME/code")["NASTY"] == nasty


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_starts_inside(shell: str, volume: Path, isolation: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    rc = {"bash": ".bashrc", "zsh": ".zshrc", "fish": ".config/fish/config.fish"}[shell]
    (isolation / rc).parent.mkdir(parents=True, exist_ok=True)
    (isolation / rc).write_text("set -gx PATH /of/rc $PATH\n" if shell == "fish" else "export PATH=/of/rc:$PATH\n")
    done = subprocess.run(
        [sys.executable, "-m", "envkit", "shell", "train", "--persist", volume, "--shell", shell],
        input="tool\nenv\nexit 41\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 41
    prefix = os.path.realpath(volume / "train")
    lines = done.stdout.splitlines()
    assert any(line.endswith("tool") for line in lines)
    assert any(line.startswith(f"PATH={prefix}/bin:/of/rc:") for line in lines), done.stdout
    assert f"FROM_SCRIPT={prefix}" in lines
    assert not [line for line in lines if line.startswith("ZDOTDIR=")]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "tcsh"])
def test_same_as_conda(shell: str, volume: Path) -> None:
    conda = CONDA
    if conda is None:
        pytest.skip("no conda here: name one with ENVKIT_TEST_CONDA")
    kind = {"fish": "fish", "tcsh": "csh"}.get(shell, "posix")
    prefix = os.path.realpath(volume / "train")
    command = f"{conda} shell.{kind} activate {volume}/train"
    theirs_code = {
        "fish": f"{command} | source",
        "tcsh": f"{command} > $HOME/conda.csh\nsource $HOME/conda.csh",
    }.get(shell, f'eval "$({command})"')
    theirs = environment_after(shell, theirs_code)
    ours = environment_after(shell, evaluated(shell, "activate", "train", "--persist", volume))
    own = {"_CE_M", "_CE_CONDA", "CONDA_EXE", "_CONDA_EXE", "CONDA_PYTHON_EXE", "_CONDA_ROOT"}
    theirs = {name: value for name, value in theirs.items() if name not in own}
    # conda's own folder for the word conda.
    theirs["PATH"] = ":".join(entry for entry in theirs["PATH"].split(":") if not entry.endswith("/condabin"))
    named = {"CONDA_DEFAULT_ENV", "CONDA_PROMPT_MODIFIER", "FROM_SCRIPT", "TOOL_PATH"}  # by name or by path
    assert {k: v for k, v in ours.items() if k not in named} == {k: v for k, v in theirs.items() if k not in named}
    assert ours.keys() == theirs.keys()
    assert theirs["CONDA_PREFIX"] == prefix


def test_errors_leave_nothing_to_evaluate(envkit: Envkit, volume: Path) -> None:
    missing = envkit("activate", "nothing", "--persist", volume, "--shell", "bash")
    assert (missing.code, missing.out) == (1, "")
    assert "train" in missing.err
    unknown = envkit("activate", "train", "--persist", volume, "--shell", "kobold")
    assert (unknown.code, unknown.out) == (2, "")
    nowhere = envkit("deactivate", "--shell", "bash")
    assert (nowhere.code, nowhere.out) == (2, "")


@pytest.mark.parametrize("shell", ["xonsh", "powershell", "nu", "cmd", "csh", "ksh", "sh"])
def test_other_shells_are_written_for(envkit: Envkit, volume: Path, shell: str) -> None:
    code = envkit("activate", "train", "--persist", volume, "--shell", shell)
    assert code.code == 0, code.err
    assert os.path.realpath(volume / "train") in code.out


def test_completion_offers_names(volume: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("envkit")],
        env={
            **os.environ,
            "CONDA_ENVS_PATH": str(volume),
            "_ENVKIT_COMPLETE": "complete_bash",
            "COMP_WORDS": "envkit activate tr",
            "COMP_CWORD": "2",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["train"], done.stderr


def test_run_applies_scripts_and_passes_everything_through(envkit: Envkit, volume: Path) -> None:
    prefix = os.path.realpath(volume / "train")
    code = 'printf "%s\\n" "$FROM_SCRIPT" "$TOOL_MODE" "$CONDA_PREFIX"; exit 41'
    ran = envkit("run", "--persist", volume, "train", "--", "sh", "-c", code)
    assert (ran.code, ran.out.splitlines()) == (41, [prefix, "it is on", prefix])
    by_path = envkit("run", f"--persist={volume}", f"{volume}/train", "tool")
    assert by_path.out == "tool\n"
    killed = envkit("run", "--persist", volume, "train", "--", "sh", "-c", "kill -TERM $$")
    assert killed.code == -15
    missing = envkit("run", "--persist", volume, "train", "--", "no-such-command")
    assert missing.code == 2
    assert "bin" in missing.err


def test_run_starts_the_command_with_few_modules(volume: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "envkit", "run", "--persist", volume, "train", "--", "tool"],
        env={k: v for k, v in os.environ.items() if not k.startswith("COV")},  # coverage loads modules of its own
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {line.rpartition("|")[2].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert not loaded & {"typer", "click", "rich", "pydantic", "rattler", "pathlib", "ruamel"}
    assert json.dumps(done.stdout) == '"tool\\n"'

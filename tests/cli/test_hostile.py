"""Input that means harm, or nothing: names that shells would run, paths that end lines, files that break readers."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from channels import Package, write_channel
from harness import Envkit, Outcome

from envkit.activation import plan_activate, plan_deactivate
from envkit.shells import SHELLS, render


def refused(outcome: Outcome, code: int, kind: str) -> None:
    assert outcome.code == code, outcome.out + outcome.err
    assert "Traceback" not in outcome.err
    assert outcome.json["error"]["code"] == kind
    assert outcome.json["error"]["hint"]


@pytest.fixture
def channel(tmp_path: Path) -> Path:
    return write_channel(tmp_path / "channel", [Package("good", files={"lib/g": b"g"})])


@pytest.fixture
def volume(envkit: Envkit, channel: Path, tmp_path: Path) -> Path:
    made = envkit("create", "good", "-n", "t", "-c", channel, "--override-channels", "--persist", tmp_path / "envs")
    assert made.code == 0, made.err
    return tmp_path / "envs"


# Names and shells.


@pytest.mark.parametrize("name", ["A;id", "A\nid", "$(id)", "1A", "A B", "A=B", "\u00e9"])
def test_a_variable_has_a_name(envkit: Envkit, tmp_path: Path, name: str) -> None:
    (tmp_path / "environment.yml").write_text(json.dumps({"dependencies": ["good"], "variables": {name: "x"}}))
    refused(envkit("create", "--json"), 2, "bad-recipe")


@pytest.mark.parametrize("shell", sorted(SHELLS))
def test_names_of_a_prefix_are_not_run(tmp_path: Path, shell: str) -> None:
    (tmp_path / "conda-meta").mkdir()
    bad = "X;touch${IFS}pwned;Y"
    (tmp_path / "conda-meta" / "state").write_text(json.dumps({"env_vars": {bad: "1", "FINE": "2"}}))
    spoken = SHELLS[shell]
    code = render(plan_activate(str(tmp_path), {"PATH": "/bin"}, suffix=spoken.suffix), spoken)
    inside = {
        "PATH": "/bin", "CONDA_PREFIX": str(tmp_path), "CONDA_SHLVL": "1", "__CONDA_SHLVL_0_A;touch pwned": "1",
        "__CONDA_SHLVL_0_FINE": "old",
    }  # fmt: skip
    steps = plan_deactivate(inside, suffix=spoken.suffix)
    assert steps is not None
    assert steps.export["FINE"] == "old"
    code += render(steps, spoken)
    assert "FINE" in code
    assert "pwned" not in code


@pytest.mark.parametrize("shell", ["bash", "dash", "zsh", "ksh"])
def test_a_prompt_runs_nothing(tmp_path: Path, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell}")
    prefix = tmp_path / "a$(touch pwned)`touch pwned`%d\\u!"
    (prefix / "conda-meta").mkdir(parents=True)
    code = render(plan_activate(str(prefix), {"PATH": os.environ["PATH"]}), SHELLS[shell])
    script = f"PS1='$ '\n{code}\n[ \"$CONDA_PREFIX\" = {shlex.quote(str(prefix))} ] || exit 9\n"
    script += 'eval "printf %s \\"$PS1\\""\n'  # what a shell does with its prompt
    done = subprocess.run([shell, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "a??touch pwned??touch pwned??d?u?" in done.stdout
    assert not (tmp_path / "pwned").exists()


def test_powershell_and_cmd_keep_values_within_quotes() -> None:
    text = SHELLS["powershell"].export("A", "x\u2019; id; \u2018")
    assert text == "$Env:A = 'x\u2019\u2019; id; \u2018\u2018'"
    assert SHELLS["cmd"].export("A", 'x" & id\r\n%PATH%') == '@SET "A=x & id%%PATH%%"'


@pytest.mark.parametrize("end", ["a\nid", "a\x1b[2J", b"a\xff"])
def test_a_volume_has_a_plain_path(envkit: Envkit, channel: Path, tmp_path: Path, end: str | bytes) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/" + os.fsencode(end))
    common = ("--persist", path, "--json")
    refused(envkit("create", "good", "-c", channel, "--override-channels", *common), 2, "bad-setting")
    refused(envkit("list", *common), 2, "bad-setting")
    refused(envkit("volume", *common), 2, "bad-setting")
    assert not Path(path).exists()


def test_the_entry_script_is_code_only_where_it_is_meant(volume: Path, envkit: Envkit, channel: Path) -> None:
    odd = volume.parent / "a'$(touch pwned)`touch pwned`"
    made = envkit("create", "good", "-c", channel, "--override-channels", "--persist", odd)
    assert made.code == 0, made.err
    assert all("pwned" not in line for line in (odd / "env.sh").read_text().splitlines() if line.startswith("#"))
    script = f'. {shlex.quote(str(odd / "env.sh"))}; printf %s "$CONDA_ENVS_PATH"'
    done = subprocess.run(["sh", "-c", script], cwd=volume, capture_output=True, text=True, check=True)
    assert done.stdout == str(odd)
    assert not (volume / "pwned").exists()


# Signals and systems.


def test_find_without_posix(tmp_path: Path, channel: Path) -> None:
    """On Windows there is no SIGHUP and no fcntl."""
    code = (
        "import signal, sys\n"
        "del signal.SIGHUP\n"
        "for name in ('fcntl', 'pwd', 'grp', 'resource', 'termios'): sys.modules[name] = None\n"
        "from envkit.__main__ import main\n"
        "main()\n"
    )
    arguments = ["find", "good", "-c", str(channel), "--override-channels", "--platform", "linux-64", "--json"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["pick"]


def test_ignored_signals_stay_ignored(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "from envkit.cli import app\n"
        "app._run = lambda argv: print(*(signal.getsignal(n) == signal.SIG_IGN "
        "for n in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM))) or 0\n"
        "app.run([])\n"
    )

    def ignore() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False,
        preexec_fn=ignore,
    )  # fmt: skip
    assert done.stdout.split() == ["True", "False", "False"], done.stderr


def test_a_program_gets_its_signals_back(volume: Path) -> None:
    words = ["grep", "SigIgn", "/proc/self/status"]
    outside = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    envkit = [sys.executable, "-m", "envkit", "run", "--persist", str(volume), "t", "--", *words]
    assert subprocess.run(envkit, capture_output=True, text=True, check=True).stdout == outside


# Files that break readers.

DEEP = "[" * 5000


@pytest.mark.parametrize(
    "text", ["x: 2024-13-45\n", "default_channels: 5\n", "x: 0o9\n", f"x: {DEEP}", "? [a]\n: b\n", "x: !!int z\n"]
)
def test_a_condarc_that_breaks_its_reader(envkit: Envkit, text: str) -> None:
    Path(os.environ["HOME"], ".condarc").write_text(text)
    outcome = envkit("volume", "--json")
    if outcome.code == 0:  # a reader may take it for text
        assert text in {"x: 0o9\n", "? [a]\n: b\n"}
    else:
        refused(outcome, 2, "bad-setting")


def test_a_default_channel_may_be_one_text(envkit: Envkit, channel: Path) -> None:
    Path(os.environ["HOME"], ".condarc").write_text(f"default_channels: {channel.as_uri()}\n")
    found = envkit("find", "good", "-c", "defaults", "--override-channels", "--json")
    assert found.code == 0, found.out
    assert found.json["pick"]


def test_a_deep_environment_file(envkit: Envkit, tmp_path: Path) -> None:
    (tmp_path / "environment.yml").write_text(f"dependencies: {DEEP}")
    refused(envkit("create", "--json"), 2, "bad-recipe")


@pytest.mark.parametrize("number", ["9" * 200, "9" * 5000])
def test_a_generation_with_a_long_number(envkit: Envkit, volume: Path, number: str) -> None:
    outcome = envkit("show", f"t@{number}", "--persist", volume, "--json")
    assert outcome.code in {1, 2, 7}, outcome.out + outcome.err
    assert "Traceback" not in outcome.err
    assert outcome.json["error"]["hint"]


def test_a_record_of_pip_that_means_nothing(envkit: Envkit, volume: Path) -> None:
    prefix = (volume / "t").resolve()
    site = prefix / "lib/python3.11/site-packages"
    info = site / "odd-1.dist-info"
    info.mkdir(parents=True)
    (site / "odd.py").write_text("x")
    (info / "METADATA").write_text("Name: odd\nVersion: 1\n")
    (info / "RECORD").write_text(f"odd.py,sha256=A,\u00b2\nodd.py,sha256=\u00e9,{'9' * 5000}\n", encoding="utf-8")
    outcome = envkit("doctor", "t", "--full", "--persist", volume, "--json")
    assert outcome.code != 70, outcome.err
    assert "Traceback" not in outcome.err
    assert "odd.py" in outcome.out


def test_one_rule_for_the_path_of_a_volume(envkit: Envkit, volume: Path) -> None:
    """`run` reads the volume by itself; the others by the settings."""
    env = {"WHERE": str(volume)}
    assert envkit("show", "t", "--persist", "$WHERE", "--json", env=env).code == 0
    assert envkit("run", "--persist", "$WHERE", "t", "--", "true", env=env).code == 0

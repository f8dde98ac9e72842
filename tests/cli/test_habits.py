"""The environment that a command is about, and the words of other tools."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import tempfile
from pathlib import Path

import pytest
from channels import Package
from harness import ENVKIT, Outcome, Shell, kept_variables, run_program

from envkit.cli.examples import EXAMPLES


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
        (("remove", "a", "--dry-run"), "goes as a whole", "envkit history NAME"),
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


@pytest.mark.parametrize(
    ("args", "cure"),
    [
        (("install", "-n", "demo", "--revision", "1"), "envkit rollback demo N"),
        (("install", "-n", "demo", "--file=x"), "envkit create -n demo -f FILE --replace"),
        (("install", "tool", "--update-deps"), "envkit upgrade -n NAME"),
        (("install", "-n", "demo", "tool", "--force-reinstall"), "envkit doctor demo --fix"),
        (("create", "-n", "x", "tool", "--no-deps"), "@EXPLICIT"),
        (("create", "-n", "x", "tool", "--use-local"), "conda-bld"),
        (("list", "-n", "demo", "-e"), "envkit export demo --explicit"),
        (("list", "--revisions", "-n", "demo"), "envkit history demo"),
        (("clean", "-tip"), "envkit clean --dry-run"),
        (("config", "--show-sources"), "envkit config show --sources"),
        (("auth", "login"), "netrc"),
        (("repoquery", "depends", "tool"), "envkit tree PACKAGE -c"),
    ],
)
def test_options_of_conda_are_answered(shell: Shell, args: tuple[str, ...], cure: str) -> None:
    said = shell.run(*args)
    assert (said.code, said.out) == (2, "")
    assert cure in said.err


def test_options_of_conda_that_mean_the_same(shell: Shell, tmp_path: Path) -> None:
    channel = ("-c", str(shell.channel), "--override-channels", "--no-validate")
    harmless = ("--no-default-packages", "--override-frozen", "--no-pin", "--copy", "--strict-channel-priority", "-y")
    made = shell.ok("create", "-p", str(tmp_path / "here"), "tool", *channel, *harmless, "--solver=rattler")
    assert "changes nothing" not in made.err
    assert (tmp_path / "here").is_symlink()
    out = shell.ok("run", "-p", str(tmp_path / "here"), "--no-capture-output", "echo", "--no-capture-output").out
    assert out == "--no-capture-output\n"
    refused = shell.run("create", "-p", str(tmp_path / "here"), "-n", "there", "tool", *channel)
    assert (refused.code, "Leave -n" in refused.err) == (2, True)
    shell.ok("clean", "--all", "-y", "--persist", str(tmp_path))
    shell.ok("update", "-n", "demo", "--update-all", "--no-validate")


def test_no_pin_ignores_pinned_packages(shell: Shell) -> None:
    (shell.home / ".condarc").write_text("pinned_packages: [tool >=9]\n")
    words = ("create", "tool", "-n", "pins", "-c", str(shell.channel), "--override-channels", "--dry-run")
    try:
        assert shell.run(*words).code == 1
        assert shell.ok(*words, "--no-pin").code == 0
    finally:
        (shell.home / ".condarc").unlink()


def test_commands_in_hints_carry_the_volume_and_the_channels(shell: Shell, tmp_path: Path) -> None:
    """They can be pasted: quoted where a shell would take them apart."""
    volume = tmp_path / "my envs"
    words = ("-c", str(shell.channel), "--override-channels", "--persist", str(volume))
    shell.ok("create", "tool", "-n", "demo", *words, "--no-validate")
    said = shell.run("create", "more", "-n", "demo", *words, "--no-validate").err
    flags = f"--persist '{volume}' -c {shell.channel} --override-channels"
    assert {*shlex.split(flags)} <= {*shlex.split(said.partition("`envkit install ")[2].partition("`")[0])}
    said = shell.run("uninstall", "-n", "demo", "nothing", "--persist", str(volume)).err
    assert f"envkit show --persist '{volume}' demo" in said
    said = shell.run("create", "tool>9", "-n", "x", *words).err
    assert f"envkit find -c {shell.channel} --override-channels tool" in said


def test_words_of_conda(shell: Shell) -> None:
    assert "demo" in shell.ok("env", "list").out
    assert "demo" in shell.ok("info", "--envs").out
    assert "tool" in shell.ok("list", "-n", "demo").out
    assert "tool" in shell.ok("search", "tool", "-c", str(shell.channel), "--override-channels").out
    shell.ok("add", "-n", "demo", "more", "--no-validate")
    assert "nothing was made" in shell.ok("update", "--all", "-n", "demo", "--no-validate").out
    assert "nothing was made" in shell.ok("remove", "-n", "demo", "more", "--dry-run").out
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


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_help_ends_with_two_examples_that_parse(name: str) -> None:
    examples = EXAMPLES[name]
    assert len(examples) == 2
    for example in examples:
        words = shlex.split(re.sub(r'^eval "\$\((.*)\)"$| [|>] .*', r"\1", example))
        assert words[: 1 + len(name.split())] == ["envkit", *name.split()]
    said = run_program([*ENVKIT, *name.split(), "--help"], env={**kept_variables(), "COLUMNS": "80"}).out
    assert "bool" not in said
    assert all(example in said for example in examples)


@pytest.mark.parametrize(
    ("args", "code", "cause", "cure"),
    [
        (("create", "tool", "--persist", ""), 2, "--persist is empty", "--persist /data/envs"),
        (("create", "tool", "-n", ""), 2, "the name of the environment is empty", "-n train"),
        (("create", "tool", "--persist", "/"), 7, "root directory", "/data/envs"),
    ],
)
def test_empty_names_and_the_root_are_refused(
    shell: Shell, args: tuple[str, ...], code: int, cause: str, cure: str
) -> None:
    said = shell.run(*args, "-c", str(shell.channel), "--override-channels")
    assert said.code == code
    assert cause in said.err
    assert cure in said.err


def test_a_fresh_account(shell: Shell, tmp_path: Path) -> None:
    """The default volume is made, its parents too; a volume that was named is not."""
    words = ("create", "tool", "-c", str(shell.channel), "--override-channels", "--no-validate")
    made = shell.ok(*words, HOME=str(tmp_path), CONDA_ENVS_PATH="")
    volume = tmp_path / ".local/share/envkit/envs"
    assert f"the volume is {volume}" in made.err
    assert (volume / "tool").is_dir()
    refused = shell.run(*words, HOME=str(tmp_path), CONDA_ENVS_PATH=str(tmp_path / "not/mounted"))
    assert refused.code == 7
    assert "is not there" in refused.err
    assert not (tmp_path / "not").exists()


def test_a_home_that_promises_more_than_it_takes(shell: Shell) -> None:
    """Root may write to /proc by its modes; making a folder there fails."""
    found = shell.run("find", "tool", "-c", str(shell.channel), "--override-channels", HOME="/proc/nowhere")
    assert found.code == 0, found.err


def test_the_completion_of_another_shell(shell: Shell) -> None:
    assert "#compdef envkit" in shell.run("--show-completion", "zsh").out
    assert "complete --command envkit" in shell.run("--show-completion", "fish").out
    refused = shell.run("--show-completion", "tcsh")
    assert (refused.code, "One of bash, zsh" in refused.err) == (2, True)


def test_a_toolkit_that_nothing_uses_is_said(shell: Shell) -> None:
    words = ("create", "tool", "-c", str(shell.channel), "--override-channels", "--dry-run")
    assert "--cuda 12.1 has no effect" in shell.run(*words, "--cuda", "12.1").out
    assert "no effect" not in shell.run(*words).out


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become a user who has no home directory")
@pytest.mark.parametrize("home", [None, "/nonexistent"])
def test_a_user_without_a_home(shell: Shell, request: pytest.FixtureRequest, home: str | None) -> None:
    """As in a pod with runAsUser: finding works, making asks for a volume, and a named one is enough."""
    # Not below pytest's own folder, which each session of pytest closes to others.
    folder = Path(tempfile.mkdtemp())
    request.addfinalizer(lambda: shutil.rmtree(folder))
    folder.chmod(0o755)
    (folder / "data").mkdir()
    os.chown(folder / "data", _NOBODY, _NOBODY)
    channel = shutil.copytree(shell.channel, folder / "channel")
    env = {**shell.env(CONDA_ENVS_PATH="", TMPDIR=str(folder / "data")), "HOME": home}
    known = {key: value for key, value in env.items() if value is not None}

    def run(*args: str) -> Outcome:
        become = ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"]
        return run_program([*become, *ENVKIT, *args, "-c", str(channel), "--override-channels"], env=known)

    found = run("find", "tool")
    assert (found.code, "volume" in found.err) == (0, False), found.err
    refused = run("create", "tool", "--no-validate")
    assert refused.code == 7
    assert "no volume is named" in refused.err
    assert "--persist DIR" in refused.err
    made = run("create", "tool", "--no-validate", "--persist", str(folder / "data/envs"))
    assert made.code == 0, made.err


_NOBODY = 61234


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    shell = Shell.below(tmp_path_factory.mktemp("names"))
    packages = ["pytorch", "pytorch-lightning", "torchvision", "scipy", "tensorflow", "xgboost", "py-xgboost", "zlib"]
    shell.publish(*(Package(name, version) for name in packages for version in ("1.9", "1.10")))
    return shell


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("torch", "pytorch"), ("pytroch", "pytorch"), ("sci-py", "scipy"), ("tensorfow", "tensorflow"), ("qqqq", None)],
)
@pytest.mark.parametrize("verb", ["find", "create"])
def test_a_name_that_no_channel_has(names: Shell, verb: str, typed: str, meant: str | None) -> None:
    said = names.run(verb, typed, "-c", str(names.channel), "--override-channels", "--no-gpu")
    assert said.code == 1
    assert (f"Did you mean {meant}" in said.err) if meant else ("Did you mean" not in said.err)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [("*torch*", ["pytorch", "pytorch-lightning", "torchvision"]), ("ZLIB*", ["zlib"]), ("*", 8), ("q*", None)],
)
def test_names_by_pattern(names: Shell, pattern: str, found: list[str] | int | None) -> None:
    said = names.run("find", pattern, "-c", str(names.channel), "--override-channels", "--json")
    if found is None:
        assert (said.code, said.json["error"]["code"]) == (1, "package-not-found")
        return
    listed = said.json["packages"]
    assert {package["version"] for package in listed} == {"1.10"}
    assert len(listed) == said.json["total"]
    assert [package["name"] for package in listed] == found if isinstance(found, list) else len(listed) == found


def test_a_long_list_of_names_says_what_it_leaves_out(names: Shell) -> None:
    said = names.ok("find", "*", "-c", str(names.channel), "--override-channels", "--limit", "3")
    assert "and 5 more; --all lists them" in said.out
    assert "torchvision" not in said.out


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_narrow_terminals_cut_no_word_that_matters(names: Shell, width: int) -> None:
    target = ("--offline", "--gpu", "h100", "--driver", "580")
    table = names.ok("find", "pytorch", *target, COLUMNS=str(width)).out
    row = next(line for line in table.splitlines() if line.startswith("native"))
    assert row.split()[:3] == ["native", "2.13.0", "13.0"]
    matrix = names.ok("find", "pytorch", "--matrix", "--limit", "9", *target, COLUMNS=str(width)).out
    assert "older versions: --limit N" in matrix
    heading = next(line for line in matrix.splitlines() if line.startswith("version"))
    left = [cuda for cuda in ("12.8", "12.6", "12.1") if cuda not in heading.split()]
    assert all(cuda in matrix for cuda in left) or "do not fit" not in matrix
    assert max(map(len, (table + matrix).splitlines())) <= width


def test_without_a_gpu_another_machine_is_offered_first(names: Shell) -> None:
    said = names.run("find", "pytorch", "--cuda", "12.1", "--offline", "--no-gpu")
    assert said.code == 4
    hint = said.err.partition("hint")[2]
    assert -1 < hint.find("--driver 550 --gpu a100") < hint.find("--cuda none")


def test_quiet_and_verbose_everywhere(shell: Shell) -> None:
    words = ("create", "tool", "-n", "loud", "-c", str(shell.channel), "--override-channels", "--no-validate")
    assert shell.ok(*words, "--dry-run", "-q").err == ""
    loud = shell.ok(*words, "--dry-run", "--verbose").err
    assert "specs: tool" in loud
    assert "virtual packages: " in loud
    assert shell.ok("list", "-q").out == shell.ok("list").out
    assert shell.ok("run", "demo", "echo", "-q").out == "-q\n"


def test_forty_columns_cut_no_name_and_no_version(tmp_path: Path) -> None:
    shell = Shell.below(tmp_path)
    long = Package("typing-extensions-x", "2026.10.11", "py311h0123456_1", files={"lib/long.txt": b"1"})
    shell.publish(Package("tool", "1.0", files={"lib/tool.txt": b"1"}), long)
    shell.create("tool", args=("--no-validate",))
    shell.ok("install", "-n", "demo", "typing-extensions-x", "--no-validate")
    whole = {
        ("list",): ("demo", "never"),
        ("show", "demo"): ("typing-extensions-x", "2026.10.11", "validated", "never"),
        ("history", "demo"): ("+typing-extensions-x", "never"),
        ("diff", "demo@1", "demo@2"): ("2026.10.11", "added"),
        ("doctor", "demo"): ("manifest", "validation", "envkit"),
        ("validate", "demo"): ("files", "pass"),
    }
    for verb, words in whole.items():
        out = shell.run(*verb, COLUMNS="40").out
        assert set(words) <= set(re.split(r"[\s`]+", out)), out
        assert max(map(len, out.splitlines())) <= 40, out


def test_download_only_fills_the_cache(tmp_path: Path) -> None:
    """Nothing is made of it; what is made later needs no channel."""
    shell = Shell.below(tmp_path)
    shell.publish(Package("tool", "1.0", files={"lib/tool.txt": b"1"}))
    words = ("create", "tool", "-n", "demo", "-c", str(shell.channel), "--override-channels", "--no-validate")
    shell.ok(*words, "--dry-run", "--download-only")
    assert not (shell.volume / ".envkit/pkgs").exists()
    said = shell.ok(*words, "--download-only")
    assert "(1 cached); nothing was made" in said.out
    assert not (shell.volume / "demo").exists()
    assert list((shell.volume / ".envkit/pkgs").glob("*/tool-1.0-*"))
    for archive in shell.channel.rglob("tool-*"):
        archive.unlink()
    assert shell.ok(*words).code == 0
    assert (shell.volume / "demo/lib/tool.txt").is_file()


def test_a_page_is_written_or_refused_never_left_out(shell: Shell) -> None:
    words = ("-c", str(shell.channel), "--override-channels", "--html", str(shell.home / "page.html"))
    assert shell.run("find", "tool", *words).code == 0
    assert "<h1>tool</h1>" in (shell.home / "page.html").read_text()
    refused = shell.run("find", "t*", *words)
    assert (refused.code, "--html is for one package" in refused.err) == (2, True)
    lost = shell.run("find", "tool", *words[:-1], str(shell.home / "no" / "page.html"))
    assert (lost.code, "--html" in lost.err) == (2, True)

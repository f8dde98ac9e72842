"""The recipes that envkit brings, solved over the real indexes and records from facts, on every machine they name."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import REAL_CHANNELS, Envkit, serve
from recipe_facts import write_supplemented
from simple_index import write_index
from wheel_factory import write_wheel

from envkit.recipes import builtin_names, load_builtin

Check = Callable[..., dict[str, dict[str, Any]]]

DOCUMENTED = ("mps", "mxnet", "tensorflow-2.9-jupyter")
"""Recipes with refusals that articles lead to; `--full` adds the others."""


@pytest.fixture(scope="module")
def channels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if REAL_CHANNELS is None:
        pytest.skip("no real channel indexes: name their folder with ENVKIT_TEST_CHANNELS")
    folder = write_supplemented(REAL_CHANNELS, tmp_path_factory.mktemp("channels"))
    write_index(folder, [write_wheel(folder, "torchtune", "0.6.1")])
    with serve(folder) as url:
        yield url


@pytest.fixture
def check(envkit: Envkit, channels: str, isolation: Path) -> Check:
    def run(*names: str, code: int = 0) -> dict[str, dict[str, Any]]:
        (isolation / ".condarc").write_text(f"default_channels: [{channels}/pkgs/main]\n")
        only = [word for name in names for word in ("--only", name)]
        env = {"CONDA_CHANNEL_ALIAS": channels, "UV_DEFAULT_INDEX": f"{channels}/simple"}
        said = envkit("recipes", "check", *only, "--json", env=env)
        assert said.code == code, said.out
        found: dict[str, dict[str, Any]] = {name: {} for name in names}
        for outcome in said.json["outcomes"]:
            found[outcome["recipe"]][outcome["machine"]] = outcome
        return found

    return run


def test_each_runs_where_it_says_and_is_refused_where_it_says(check: Check) -> None:
    found = check(*DOCUMENTED)
    for name in DOCUMENTED:
        assert all(outcome["ok"] for outcome in found[name].values()), name
    states = {(name, m): o["state"] for name, outcomes in found.items() for m, o in outcomes.items()}
    assert states["mps", "cpu-osx-arm64"] == "runs"
    assert "Metal is Apple's" in found["mps"]["h100-580"]["documented"]
    assert found["mxnet"]["a100-550"]["code"] == "cpu"
    assert found["tensorflow-2.9-jupyter"]["t4-470"]["text"].startswith("tensorflow 2.9.1 cuda112py310")
    assert found["tensorflow-2.9-jupyter"]["rtx-5090-570"]["code"] == "host-cannot-run"


def test_progress_is_one_bar_over_all_recipes_and_machines(envkit: Envkit, channels: str, isolation: Path) -> None:
    (isolation / ".condarc").write_text(f"default_channels: [{channels}/pkgs/main]\n")
    words = ("recipes", "check", "--only", "mxnet", "--only", "mps", "--json", "--progress", "jsonl")
    said = envkit(*words, env={"CONDA_CHANNEL_ALIAS": channels})
    events = [json.loads(line) for line in said.err.splitlines()]
    (started,) = [event for event in events if event["event"] == "start"]
    assert (started["phase"], started["total"]) == ("solve", len(said.json["outcomes"]))
    assert sum(event["amount"] for event in events if event["event"] == "advance") == started["total"] > 2


_PACKAGES = "python=3.9 pytorch torchvision torchaudio pytorch-cuda=12.1"
CONDA_LINE = f"conda create -n torch {_PACKAGES} -c pytorch -c nvidia -c conda-forge"
"""As old instructions have it; `conda` becomes `envkit`, and recipe pytorch-cu121-py39 is the same."""


def test_the_conda_line_of_an_article_is_the_recipe(envkit: Envkit, channels: str) -> None:
    words = shlex.split(CONDA_LINE)[1:]
    machine = ("--driver", "550", "--gpu", "a100", "--glibc", "2.35", "--persist", "envs", "--dry-run", "--json")
    made = envkit(*words, *machine, env={"CONDA_CHANNEL_ALIAS": channels})
    assert made.code == 0, made.out
    assert made.json["pick"]["build"] == "py3.9_cuda12.1_cudnn8.9.2_0"  # as recipe pytorch-cu121-py39 has it above
    recipe = load_builtin("pytorch-cu121-py39")
    assert sorted(recipe.dependencies) == sorted(_PACKAGES.split())
    assert recipe.channels == ("pytorch", "nvidia", "conda-forge")


@pytest.mark.parametrize(
    ("machine", "build"),
    [(("--driver", "470", "--gpu", "a100"), "py3.9_cuda11.8_cudnn8.7.0_0"), (("--no-gpu",), "py3.9_cpu_0")],
)
@pytest.mark.full
def test_a_refusal_that_names_fix_is_mended_by_it(
    envkit: Envkit, channels: str, machine: tuple[str, ...], build: str
) -> None:
    words = ("create", "--recipe", "pytorch-cu121-py39", *machine, "--glibc", "2.35", "--persist", "envs", "--dry-run")
    env = {"CONDA_CHANNEL_ALIAS": channels}
    assert envkit(*words, env=env).code == 4
    made = envkit(*words, "--fix", "--json", env=env)
    assert made.code == 0, made.out
    assert made.json["pick"]["build"] == build


@pytest.mark.full
def test_so_do_the_others(check: Check) -> None:
    found = check(*sorted(set(builtin_names()) - set(DOCUMENTED)))
    for name, outcomes in found.items():
        assert all(outcome["ok"] for outcome in outcomes.values()), name
    old = found["pytorch-cu121-py39"]
    assert old["t4-535"]["text"].startswith("pytorch 2.3.0 py3.9_cuda12.1")
    assert {m for m, o in old.items() if o["state"] == "refused"} == {
        "a100-470",
        "rtx-5090-570",
        "gb10-580-linux-aarch64",
        "cpu",
        "cpu-osx-arm64",
    }
    assert "525.60.13" in old["a100-470"]["text"]
    assert found["pytorch-2.7-jupyter"]["rtx-5090-570"]["text"].startswith("pytorch 2.7.1 cuda129")
    assert found["pytorch-2.7-jupyter"]["cpu"]["code"] == "host-cannot-run"
    assert found["rapids"]["h100-580"]["text"].startswith("cudf 25.06.00")


def test_all_fifteen_say_for_whom_they_are_and_where_they_run() -> None:
    assert set(builtin_names()) == {
        *(
            "pytorch",
            "pytorch-2.7-jupyter",
            "pytorch-cu121-py39",
            "pytorch-cpu",
            "tensorflow-2.9-jupyter",
            "tensorflow",
        ),
        *("jax", "mxnet", "onnx", "pyro", "ddp", "mps", "notebook-math", "llm", "rapids"),
    }
    for name in builtin_names():
        recipe = load_builtin(name)
        assert recipe.notes == ()
        assert recipe.block is not None
        assert recipe.block.audience
        assert recipe.block.frameworks
        assert any(machine.refusal is None for machine in recipe.block.machines), name


def test_a_users_own_recipes(envkit: Envkit, channels: str, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "good.yml").write_text(
        "channels: [conda-forge]\ndependencies: [pytorch=2.7]\nenvkit: {runs-on: [a100/550]}\n"
    )
    (own / "bad.yml").write_text(
        "channels: [conda-forge]\ndependencies: [pytorch=2.7]\n"
        "envkit: {frameworks: [pytorch, jax], runs-on: [a100/470, h100/580], refused-on: {a100/550: It is too old.}, "
        "cuda: '12'}\n"
    )
    said = envkit("recipes", "check", own, "--json", env={"CONDA_CHANNEL_ALIAS": channels})
    assert said.code == 1
    assert said.json["wrong"] == ["bad"]
    by_machine = {(o["recipe"], o["machine"]): (o["state"], o["ok"]) for o in said.json["outcomes"]}
    assert by_machine == {
        ("bad", "a100-470"): ("refused", False),
        ("bad", "h100-580"): ("lacking", False),  # no JAX in it
        ("bad", "a100-550"): ("lacking", False),
        ("good", "a100-550"): ("runs", True),
    }
    unanswered = envkit("recipes", "check", own, "--only", "good", "--offline")
    assert unanswered.code == 5
    nowhere = envkit("recipes", "check", own / "nowhere")
    assert (nowhere.code, "there is nothing at" in nowhere.err, "-f" in nowhere.err) == (2, True, False)

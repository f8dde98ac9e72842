"""Tables for terminals of 60 to 200 columns: nothing sticks out, and no word is broken that somebody would copy."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from fleets import machine, outcome

from envkit.cli.environments import _render_listing
from envkit.cli.facts import _render as _render_facts
from envkit.cli.fleet import _render_kinds
from envkit.cli.fleet_validate import _render
from envkit.cli.kernel import render_kernels
from envkit.cli.output import Console
from envkit.cli.profiles import print_states
from envkit.host.wire import host_from_json
from envkit.kernels import Kernel
from envkit.models.facts import CodeFact, CodeKnowledge
from envkit.models.fleet import FleetValidation, HostKind, NodeFinding
from envkit.models.gpucode import Architecture
from envkit.models.listing import EnvironmentInfo, ProfileState, VolumeListing
from envkit.models.outcome import Outcome
from envkit.models.report import Finding, Recorded
from envkit.profiles import Profile
from envkit.words.values import ranges_words

A100 = machine("NVIDIA A100-SXM4-80GB", "8.0", "570.86.10")
V100 = machine("Tesla V100-SXM2-16GB", "7.0", "535.161.08", "12.2")
MIXED = {**A100, "gpus": [*A100["gpus"], *machine("NVIDIA RTX 6000 Ada Generation", "8.9", "")["gpus"]]}
ODD = NodeFinding(
    "gpu-a100-017",
    Finding(
        "gpus",
        "fail",
        Recorded(
            "Slurm counts 8 GPUs here and CUDA sees 7",
            "Drain it: scontrol update nodename=gpu-a100-017 state=drain reason=gpu",
        ),
    ),
)


def _kinds(out: Console) -> None:
    nodes = {
        tuple(f"gpu-a100-{number:03}" for number in range(48)): {**A100, "gpus": A100["gpus"] * 8},
        ("gpu-v100-001", "gpu-v100-003"): {**V100, "gpus": V100["gpus"] * 4},
        ("mixed-01",): MIXED,
        ("login",): {"subdir": "linux-64", "glibc": "2.28"},
    }
    _render_kinds(out, [HostKind(names, host_from_json(facts)) for names, facts in nodes.items()])


def _validation(out: Console) -> None:
    nodes = [outcome("train-3d6c9147", f"gpu-a100-{number:03}", A100, 3e14) for number in range(3)]
    nodes.append(outcome("train-3d6c9147", "gpu-v100-001", V100, 0, "none"))
    _render(out, FleetValidation("slurm", tuple(nodes), (ODD,)))


RULES = (
    Profile("cuda13.0", "train-00000001", "linux-64", gpu=True, driver="580.65.06", capabilities=("7.5", "8.0", "9.0")),
    Profile("cpu", "train-00000002", "linux-64", gpu=False, glibc="2.28"),
)


def _environment() -> EnvironmentInfo:
    ran = Outcome("pass", "2026-11-26T10:00:00+00:00", "f" * 12, A100)
    info = EnvironmentInfo(
        "train", "/e/train", "/e/.envkit/g/train-00000001", 9_000_000_000, packages=88, created="2026-11-26"
    )
    infos = (
        replace(info, validated=ran),
        replace(info, prefix="/e/.envkit/g/train-00000002", validated=replace(ran, host={})),
    )
    states = [ProfileState(rule, infos[n], is_main=n == 0, here=n == 1) for n, rule in enumerate(RULES)]
    return replace(infos[0], profile="cuda13.0", profiles=tuple(states))


def _states(out: Console) -> None:
    print_states(out, _environment())


def _kernels(out: Console) -> None:
    name = "train (PyTorch 2.7, CUDA 12.6, A100)"
    mine = Kernel(
        "envkit-train", name, "train", "/e", "/home/ada/.local/share/jupyter/kernels/envkit-train", shared=False
    )
    shared = replace(mine, shared=True, path="/e/.envkit/jupyter/kernels/envkit-train")
    render_kernels(out, [replace(mine, here=name), replace(shared, here="train (PyTorch 2.7, CUDA 12.6, minor on T4)")])


TABLES: Mapping[Callable[[Console], None], str] = {
    _kinds: "48 gpu-a100-[000-047] 570.86.10 A100-SXM4-80GB gpu-v100-[001,003] 535.161.08 Generation mixed-01 login",
    _validation: "gpu-a100-000 A100-SXM4-80GB (8.0) 4.2 none gpu-v100-001 nodename=gpu-a100-017 3 of 4 nodes pass",
    _states: "cuda13.0 (link) 580.65.06, 9.0 cpu (here) 2.28, 2026-11-26",
    _kernels: "envkit-train all this user T4) A100)'; --shared",
}


@pytest.mark.parametrize("width", [60, 80, 100, 140, 200])
@pytest.mark.parametrize("render", TABLES, ids=lambda render: render.__name__.strip("_"))
def test_a_table_fits_and_keeps_its_words(render: Callable[[Console], None], width: int) -> None:
    file = io.StringIO()
    render(Console(file, width))
    assert max(map(len, file.getvalue().splitlines())) <= width
    assert [word for word in TABLES[render].split() if word not in file.getvalue().split()] == []
    assert not any(line.endswith(" ") for line in file.getvalue().splitlines())


def _listing() -> None:
    _render_listing(VolumeListing("/data/envs", (_environment(),), 9), "default")


def _facts() -> None:
    gpus = frozenset(map(Architecture.parse, ("7.0", "8.0", "9.0", "10.0f", "12.0")))
    facts = [
        CodeFact(name, ">=1.14.3,<1.15", "12.9", "conda-forge", (), gpus, gpus, "measured", "x", "2026-11-25")
        for name in ("tensorflow-gpu-base", "jax-cuda12-pjrt")
    ]
    _render_facts(CodeKnowledge(None, tuple(facts)), limit=None)


PRINTED: Mapping[Callable[[], None], str] = {
    _listing: "train: cuda13.0 cpu* 88 9.0 GB 2026-11-26 570.86.10, A100-SXM4-80GB)",
    _facts: "tensorflow-gpu-base jax-cuda12-pjrt >=1.14.3,<1.15 12.9 10.0f",
}


@pytest.mark.parametrize("width", [60, 80, 100, 140, 200])
@pytest.mark.parametrize("render", PRINTED, ids=lambda render: render.__name__.strip("_"))
def test_what_is_printed_fits_the_terminal(
    render: Callable[[], None], width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    render()
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= width
    assert [word for word in PRINTED[render].split() if word not in shown.split()] == []


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["gpu1"], "gpu1"),
        (["gpu1", "gpu2", "gpu3", "gpu7"], "gpu[1-3,7]"),
        (["n09", "n10", "n011"], "n[09-10], n011"),
        (["a", "b", "a2"], "a, b, a2"),
        (["node-3-1", "node-3-2"], "node-3-[1-2]"),
        (["a", "b", "c1", "c2", "d"], "a, b, c[1-2] and 1 more"),
        (["x", "y", "z", "u1", "u2"], "x, y, z and 2 more"),
        ([], ""),
    ],
)
def test_nodes_are_named_as_slurm_does(names: list[str], words: str) -> None:
    assert ranges_words(names, most=3) == words

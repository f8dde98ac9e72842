"""The seed requests through the real command, `create --dry-run --json`, over the real indexes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from harness import Envkit, Outcome

OLD = ("pytorch", "torchvision", "torchaudio", "pytorch-cuda=12.1", "-c", "pytorch", "-c", "nvidia")
GPU = ("--glibc", "2.35", "--driver")


@pytest.fixture
def plan(envkit: Envkit, known_indexes: Mapping[str, str]) -> Any:
    def run(*arguments: str, **env: str) -> Outcome:
        return envkit(
            *("create", *arguments, "-n", "x", "--persist", "envs", "--dry-run", "--json"),
            env={**known_indexes, **env},
        )

    return run


def _pick(outcome: Outcome) -> tuple[str, str, str | None, str]:
    assert outcome.code == 0, outcome.out
    pick = outcome.json["pick"]
    about = pick["envkit"]
    packages = {p["name"]: p for p in outcome.json["packages"]}
    assert packages[pick["name"]]["build"] == pick["build"]  # what is picked is what is installed
    return pick["version"], about["variant"], about["build_cuda"], about["tier"]


@pytest.mark.parametrize(
    ("driver", "gpu", "cuda", "tier"),
    [
        ("535", "t4", "12.9", "minor"),
        ("550", "a100", "12.9", "minor"),
        ("570", "rtx5090", "12.9", "minor"),
        ("580", "h100", "12.9", "native"),
        ("580", "v100", "12.9", "native"),
    ],
)
def test_pytorch_2_7(plan: Any, driver: str, gpu: str, cuda: str, tier: str) -> None:
    made = plan("pytorch=2.7", "torchvision", "jupyterlab", *GPU, driver, "--gpu", gpu)
    assert _pick(made) == ("2.7.1", "cuda", cuda, tier)
    names = {p["name"]: p for p in made.json["packages"]}
    assert names["torchvision"]["build"].startswith("cuda")
    assert names["jupyterlab"]
    if gpu == "v100":
        assert tuple(map(int, names["cudnn"]["version"].split(".")[:2])) < (9, 11)


def test_470_is_refused_and_told_what_runs(plan: Any) -> None:
    refused = plan("pytorch=2.7", *GPU, "470", "--cuda", "12")
    assert refused.code == 4
    error = refused.json["error"]
    assert "525.60.13" in error["message"]
    assert "drop --cuda 12 and the version" in error["hint"]
    assert error["hint"].endswith("--cuda none")


def test_without_gpu_it_is_cpu_and_says_so(plan: Any) -> None:
    made = plan("pytorch=2.7")
    assert _pick(made) == ("2.7.1", "cpu", None, "cpu")
    said = [answer["text"] for answer in made.json["explanation"] if answer["code"] == "cpu"]
    assert said[0].startswith("this machine has no NVIDIA GPU")


def test_macos_has_metal(plan: Any) -> None:
    assert _pick(plan("pytorch=2.7", "--platform", "osx-arm64")) == ("2.7.1", "mps", None, "native")


def test_traces_of_a_gpu_are_not_taken_for_none(plan: Any) -> None:
    unclear = plan("pytorch", NVIDIA_VISIBLE_DEVICES="all")
    assert unclear.code == 4
    assert "--driver" in unclear.json["error"]["hint"]
    assert "--cuda none" in unclear.json["error"]["hint"]
    assert _pick(plan("pytorch", "--cuda", "none", NVIDIA_VISIBLE_DEVICES="all"))[1] == "cpu"


@pytest.mark.parametrize("driver", ["535", "550", "580"])
def test_the_old_request_means_cuda_12_1(plan: Any, driver: str) -> None:
    made = plan(*OLD, *GPU, driver, "--gpu", "a100")
    version, variant, cuda, tier = _pick(made)
    assert (variant, cuda, tier) == ("cuda", "12.1", "native")
    by_name = {p["name"]: p for p in made.json["packages"]}
    assert by_name["pytorch-cuda"]["version"] == "12.1"
    assert by_name["torchvision"]["build"].endswith("cu121")
    assert by_name["mkl"]["version"] < "2024.1"
    unsolved = [a["text"] for a in made.json["explanation"] if a["code"] == "not-newer"]
    assert version == "2.3.0"
    assert any("2.5.1" in text and "torchaudio" in text for text in unsolved)


@pytest.mark.parametrize(
    ("flags", "code", "instead", "fixed"),
    [
        ((*GPU, "470"), 4, "pytorch-cuda=11.8", ("cuda", "11.8", "minor")),
        ((*GPU, "570", "--gpu", "rtx5090"), 4, "-c conda-forge", ("cuda", "12.9", "minor")),
        (("--no-gpu",), 4, "cpuonly", ("cpu", None, "cpu")),
        (("--platform", "osx-arm64"), 1, "create pytorch torchvision torchaudio -c pytorch", None),
    ],
)
def test_the_old_request_is_corrected(
    plan: Any,
    flags: tuple[str, ...],
    code: int,
    instead: str,
    fixed: tuple[str, str | None, str] | None,
) -> None:
    refused = plan(*OLD, *flags)
    assert refused.code == code
    assert instead in refused.json["error"]["hint"]
    if fixed is not None:
        made = plan(*OLD, *flags, "--fix")
        assert _pick(made)[1:] == fixed
        assert made.json["fixed"]
        assert made.json["corrections"] == []


def test_cudatoolkit_12_is_the_flag(plan: Any) -> None:
    refused = plan("pytorch", "cudatoolkit=12.1", *GPU, "550")
    assert refused.code == 1
    assert "--cuda 12.1" in refused.json["error"]["hint"]
    assert _pick(plan("pytorch", "cudatoolkit=12.1", *GPU, "550", "--fix"))[2] == "12.1"


def test_cuda_version_holds_the_build_back(plan: Any) -> None:
    assert _pick(plan("pytorch", "cuda-version=12.6", *GPU, "560", "--gpu", "a100"))[2] == "12.6"


def test_cpuonly_of_conda_forge(plan: Any) -> None:
    refused = plan("pytorch", "cpuonly")
    assert refused.code == 1
    assert "pytorch-cpu" in refused.json["error"]["hint"]
    assert _pick(plan("pytorch", "cpuonly", "--fix"))[1] == "cpu"


def test_flag_and_package_contradict(plan: Any) -> None:
    refused = plan(*OLD, "--cuda", "11.8", *GPU, "550")
    assert refused.code == 2
    assert "pytorch-cuda=12.1" in refused.json["error"]["message"]


@pytest.mark.parametrize(("driver", "cuda"), [("470", "11.8"), ("550", "12.9")])
def test_jax(plan: Any, driver: str, cuda: str) -> None:
    assert _pick(plan("jax", *GPU, driver))[1:3] == ("cuda", cuda)

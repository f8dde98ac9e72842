"""Verdicts on wheels of PyTorch, against the rule of NVIDIA's documentation written down a second time."""

from __future__ import annotations

import itertools

import pytest

from envkit.builds.archlists import arch_lists
from envkit.builds.wheel import Wheel, classify_wheel, torch_wheels
from envkit.checks.verdict import judge
from envkit.cuda.target import describe_target
from envkit.models.build import Tier
from envkit.models.host import Target
from envkit.models.request import CudaChoice, Request
from envkit.plan.wheel_choice import judge_torch, tags_to_try

BASE = Target(subdir="linux-64")
# GPU: compute capability, first and last driver branch.
GPUS = {
    "gtx 1080": ((6, 1), 0, 580),
    "v100": ((7, 0), 0, 580),
    "t4": ((7, 5), 0, 999),
    "a100": ((8, 0), 0, 999),
    "rtx 4090": ((8, 9), 0, 999),
    "h100": ((9, 0), 0, 999),
    "b200": ((10, 0), 570, 999),
    "rtx 5090": ((12, 0), 570, 999),
}
# Driver: the newest CUDA that it supports (CUDA release notes, table 3).
DRIVERS = {
    "470.82.01": (11, 4),
    "525.60.13": (12, 0),
    "550.54.14": (12, 4),
    "570.124.06": (12, 8),
    "580.95.05": (13, 0),
}


def listed(version: str, cuda: str) -> tuple[str, str] | None:
    for row in arch_lists():
        if row["channel"] != "pypi" or cuda not in row["cuda"] or "linux-64" not in row["subdirs"]:
            continue
        number = [int(part) for part in version.split(".")]
        low, high = ([int(part) for part in row[key].split(".")] for key in ("version_from", "version_before"))
        if low <= number < high:
            return row["sass"], row["ptx"]
    return None


def pairs(text: str) -> list[tuple[int, int]]:
    return [(int(major), int(minor)) for major, minor in (word.split(".") for word in text.split())]


def runs(codes: tuple[str, str], cuda: tuple[int, int], gpu: str, driver: str) -> bool:
    capability, first, last = GPUS[gpu]
    branch, ceiling = int(driver.split(".", maxsplit=1)[0]), DRIVERS[driver]
    if not first <= branch <= last or cuda[0] > ceiling[0]:
        return False
    sass, ptx = map(pairs, codes)
    if any(code[0] == capability[0] and code[1] <= capability[1] for code in sass):
        return True
    return any(code <= capability for code in ptx) and cuda <= ceiling


def test_every_known_wheel_on_every_machine() -> None:
    checked = 0
    for build in torch_wheels("linux-64"):
        cuda = build.build_cuda
        codes = listed(build.record.version, str(cuda)) if cuda is not None else None
        if cuda is None or codes is None or build.arch is None or build.arch.origin != "table":
            continue
        for gpu, driver in itertools.product(GPUS, DRIVERS):
            target = describe_target(BASE, driver=driver, gpus=[gpu])
            verdict = judge(build, target)
            assert (verdict.tier is not Tier.NO) == runs(codes, (cuda.major, cuda.minor), gpu, driver), (
                f"{build.record.version}+{build.record.build} on {gpu}, {driver}: {verdict.tier} {verdict.code}"
            )
            checked += 1
    assert checked >= 400


@pytest.mark.parametrize(
    ("gpu", "driver", "cuda", "best"),
    [
        ("v100", "580", "auto", "cu126"),
        ("gtx 1080", "580", "auto", "cu126"),
        ("h100", "580", "auto", "cu130"),
        ("rtx 5090", "580", "auto", "cu130"),
        ("rtx 5090", "570", "auto", "cu128"),
        ("a100", "535", "auto", "cu126"),
        ("a100", "535", "12.1", "cu121"),
        ("a100", "470", "auto", "cu118"),
        ("h100", "550", "11.8", "cu118"),
        ("rtx 5090", "580", "12.1", None),
        ("v100", "580", "13", None),
    ],
)
def test_the_folder_of_the_index(gpu: str, driver: str, cuda: str, best: str | None) -> None:
    target = describe_target(BASE, driver=driver, gpus=[gpu])
    ranked, _ = judge_torch(Request(("torch",), CudaChoice.parse(cuda)), target, {})
    tags = tags_to_try(ranked)
    assert (tags[0] if tags else None) == best
    assert "cpu" not in tags


@pytest.mark.parametrize("driver", list(DRIVERS))
def test_what_never_happens(driver: str) -> None:
    """uv's own choice looks at the driver alone: a V100 on 580 gets CUDA 13 there, which dropped it."""
    for gpu, never in (("v100", "cu130"), ("gtx 1080", "cu130"), ("rtx 5090", "cu121"), ("b200", "cu126")):
        ranked, _ = judge_torch(Request(("torch",)), describe_target(BASE, driver=driver, gpus=[gpu]), {})
        assert never not in tags_to_try(ranked)


@pytest.mark.parametrize(
    ("name", "version", "beside", "variant", "cuda", "major_only"),
    [
        ("torch", "2.5.1+cu121", {}, "cuda", "12.1", False),
        ("torch", "2.5.1+cpu", {}, "cpu", None, False),
        ("torch", "2.5.1+rocm6.2", {}, "cpu", None, False),
        ("torch", "2.5.1", {}, "cuda", "12.4", False),
        ("torch", "9.9.9", {"nvidia-cuda-runtime-cu12": "12.6.77"}, "cuda", "12.6", False),
        ("torch", "9.9.9", {"nvidia-cuda-runtime": "13.2.51"}, "cuda", "13.2", False),
        ("torchvision", "0.20.1", {"torch": "2.5.1+cu118"}, "cuda", "11.8", False),
        ("flash-attn", "2.7.4+cu12torch2.5", {"torch": "2.5.1"}, "cuda", "12.0", True),
        ("cupy-cuda12x", "13.6.0", {}, "cuda", "12.0", True),
        ("jax-cuda13-plugin", "0.10.2", {}, "cuda", "13.0", True),
        ("tensorflow", "2.19.0", {}, "cpu", None, False),
        ("tensorflow", "2.19.0", {"nvidia-cuda-runtime-cu12": "12.5.82"}, "cuda", "12.5", False),
        ("onnxruntime", "1.20", {}, "cpu", None, False),
    ],
)
def test_what_a_wheel_says(
    name: str, version: str, beside: dict[str, str], variant: str, cuda: str | None, major_only: bool
) -> None:
    build = classify_wheel(Wheel(name, version), beside)
    assert build is not None
    said = (build.variant, build.build_cuda and str(build.build_cuda), build.cuda_major_only)
    assert said == (variant, cuda, major_only)


@pytest.mark.parametrize("name", ["numpy", "nvidia-cudnn-cu12", "requests", "tqdm"])
def test_what_is_not_judged(name: str) -> None:
    assert classify_wheel(Wheel(name, "1.0"), {}) is None

"""Wheels are judged like builds: what would not run is refused before the download, or taken from another index."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Iterator

import pytest
from channels import Package
from harness import Outcome, Shell, serve
from simple_index import write_index
from wheel_factory import write_wheel

TAG = "cp311-cp311-manylinux_2_28_x86_64"
OWN = ["2.14.1+cu126", "2.14.1+cu130", "2.14.1+cpu", "2.11.0+cu128", "2.5.1+cu121", "2.5.1+cpu"]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("index")
    (folder / "made").mkdir()
    wheel = functools.partial(write_wheel, folder / "made", tag=TAG, unpacked=False)
    public = [
        wheel("torch", "2.14.1", requires=["nvidia-cuda-runtime==13.0.96", "filelock"]),
        wheel("torch", "2.5.1", requires=["nvidia-cuda-runtime-cu12==12.4.127", "filelock"]),
        wheel("torchvision", "0.20.1", requires=["torch==2.5.1"]),
        wheel("nvidia-cuda-runtime", "13.0.96"),
        wheel("nvidia-cuda-runtime-cu12", "12.4.127"),
        wheel("filelock", "3.0", tag="py3-none-any"),
        wheel("tensorflow-cpu", "2.19.0"),
        wheel("cupy-cuda13x", "14.2.0"),
        wheel("plain", "1.0", tag="py3-none-any"),
    ]
    write_index(folder, public)
    for tag in ("cu126", "cu130", "cu128", "cu121", "cpu"):
        versions = [version for version in OWN if version.endswith(f"+{tag}")]
        write_index(folder / tag, [wheel("torch", version, requires=["filelock"]) for version in versions])
        shutil.copytree(folder / tag / "simple", folder / "whl" / tag)
        shutil.copytree(folder / tag / "files", folder / "whl" / "files", dirs_exist_ok=True)
    with serve(folder) as url:
        yield url


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    shell = Shell.below(tmp_path_factory.mktemp("wheels"))
    shell.publish(Package("python", "3.11.7", files={"bin/python3.11": b""}))
    return shell


def plan(shell: Shell, index: str, *requirements: str, args: tuple[str, ...], **more: str) -> Outcome:
    path = shell.home / "environment.yml"
    lines = "".join(f"    - {line}\n" for line in (f"--index-url {index}/simple", *requirements))
    path.write_text(
        f"channels: [{shell.channel.as_uri()}, nodefaults]\ndependencies:\n  - python=3.11\n  - pip:\n{lines}"
    )
    variables = {"ENVKIT_TORCH_INDEX": f"{index}/whl", **more}
    return shell.run("create", "-n", "demo", "-f", str(path), "--dry-run", "--json", *args, **variables)


def torch_of(outcome: Outcome) -> str:
    assert outcome.code == 0, outcome.err + outcome.out
    return str(next(package["version"] for package in outcome.json["pip"] if package["name"] == "torch"))


@pytest.mark.parametrize(
    ("requirement", "args", "expected"),
    [
        ("torch", ("--gpu", "h100", "--driver", "580"), "2.14.1"),  # PyPI's own, for CUDA 13
        ("torch", ("--gpu", "v100", "--driver", "580"), "2.14.1+cu126"),  # which CUDA 13 dropped
        ("torch", ("--gpu", "a100", "--driver", "550"), "2.14.1+cu126"),
        ("torch", ("--gpu", "rtx 5090", "--driver", "570"), "2.11.0+cu128"),
        ("torch", ("--gpu", "h100", "--driver", "550", "--cuda", "12.1"), "2.5.1+cu121"),
        ("torch==2.5.1", ("--gpu", "a100", "--driver", "550"), "2.5.1"),
        ("torch<2.6", ("--gpu", "a100", "--driver", "530", "--cuda", "12.1"), "2.5.1+cu121"),
        ("torchvision", ("--gpu", "a100", "--driver", "550"), "2.5.1"),
        ("torch", ("--cuda", "none"), "2.14.1+cpu"),
        ("torch", ("--no-gpu",), "2.14.1+cpu"),
        ("torch", ("--gpu", "h100", "--driver", "580", "--cuda", "12"), "2.14.1+cu126"),
    ],
)
def test_the_wheel_of_pytorch(shell: Shell, index: str, requirement: str, args: tuple[str, ...], expected: str) -> None:
    assert torch_of(plan(shell, index, requirement, args=args)) == expected


@pytest.mark.parametrize(
    ("requirement", "args", "why"),
    [
        ("torch==2.14.1", ("--gpu", "rtx 5090", "--driver", "570"), "CUDA 13.0 needs driver 580"),
        ("tensorflow-cpu", ("--gpu", "a100", "--driver", "550"), "CPU"),
        ("cupy-cuda13x", ("--gpu", "v100", "--driver", "580"), "V100"),
        ("torch==2.5.1+cu121", ("--gpu", "rtx 5090", "--driver", "580", "--extra-index"), "RTX 5090"),
    ],
)
def test_what_would_not_run_is_refused(
    shell: Shell, index: str, requirement: str, args: tuple[str, ...], why: str
) -> None:
    lines = (f"--extra-index-url {index}/whl/cu121", requirement) if "--extra-index" in args else (requirement,)
    said = plan(shell, index, *lines, args=tuple(word for word in args if word != "--extra-index"))
    assert said.code == 4, said.out
    assert why in said.json["error"]["message"]
    assert "find pytorch --wheels" in said.json["error"]["hint"]


def test_other_sections_ask_no_other_index(shell: Shell, index: str) -> None:
    gpu = ("--gpu", "v100", "--driver", "580")
    assert plan(shell, index, "plain", args=gpu, ENVKIT_TORCH_INDEX="http://127.0.0.1:9").code == 0
    said = plan(shell, index, "torch", args=gpu, ENVKIT_TORCH_INDEX="http://127.0.0.1:9")
    assert said.code == 5
    assert "torch_index" in said.json["error"]["hint"]
    kept = plan(shell, index, "torch", args=("--no-gpu",), ENVKIT_TORCH_INDEX="http://127.0.0.1:9")
    assert torch_of(kept) == "2.14.1"  # runs on the CPU as well

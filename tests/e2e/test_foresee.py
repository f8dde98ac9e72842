"""An environment is judged for another machine by its bytes: no GPU, and nothing of it is run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from channels import Package
from gpu_files import Entry, library
from harness import Shell

from envkit.api.foresee import explain_kernels
from envkit.models.codes.frameworks import COMPUTE_FAILED, NO_KERNEL_IMAGE
from envkit.models.fact import Fact
from envkit.models.host import Gpu, Host
from envkit.models.report import Finding
from envkit.models.version import ComputeCapability
from envkit.scan.copies import find_copies
from envkit.words.say import say


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell.below(tmp_path)


def judged(shell: Shell, where: str, *machine: str) -> tuple[int, dict[str, Any]]:
    said = shell.run("validate", where, *machine, "--json")
    return said.code, said.json


def codes(document: dict[str, Any], status: str) -> set[str]:
    return {finding["code"] for finding in document["findings"] if finding["status"] == status}


def torch() -> Package:
    return Package(
        "pytorch",
        "2.7.1",
        "cuda126_py311_h0000000_300",
        depends=("__cuda", "cuda-version >=12.6,<13"),
        files={"lib/libtorch_cuda.so": library(*[Entry("8.0")] * 20, *[Entry("9.0")] * 20)},
    )


def test_driver_and_code_both_count(shell: Shell) -> None:
    shell.publish(Package("cuda-version", "12.6", noarch="generic"), torch())
    shell.create("pytorch", args=("--gpu", "h100", "--driver", "570", "--no-validate"))
    code, fits = judged(shell, "demo", "--gpu", "a100", "--driver", "570")
    assert (code, fits["verdict"], fits["environment"]) == (0, "pass", "demo")
    assert [file["sass"] for file in fits["libraries"]] == [{"8.0": 20, "9.0": 20}]
    assert fits["target"]["driver_version"] == "570"
    code, old = judged(shell, "demo", "--gpu", "a100", "--driver", "470")
    assert (code, codes(old, "fail")) == (3, {"driver-refuses-build"})
    code, lacking = judged(shell, "demo", "--gpu", "v100", "--gpu", "a100", "--driver", "570")
    assert (code, codes(lacking, "fail")) == (3, {"gpu-code-missing"})
    (text,) = [finding["text"] for finding in lacking["findings"] if finding["status"] == "fail"]
    assert "libtorch_cuda.so of pytorch 2.7.1 holds 8.0 9.0: nothing for V100 (7.0)" in text
    for words in (("demo",), (str(shell.prefix()),)):
        shown = shell.run("validate", *words, "--gpu", "v100", "--driver", "570")
        assert shown.code == 3
        assert "8.0" in shown.out
        assert "nothing for V100" in " ".join(shown.out.split())


def test_a_venv_is_judged_by_its_wheels(shell: Shell, tmp_path: Path) -> None:
    site = tmp_path / "venv" / "lib" / "python3.11" / "site-packages"
    (site / "torch" / "lib").mkdir(parents=True)
    (site / "torch" / "lib" / "libtorch_cuda.so").write_bytes(library(*[Entry("9.0")] * 20))
    for name, files in {"torch-2.7.1": ("torch/lib/libtorch_cuda.so",), "nvidia_cuda_runtime_cu12-12.6.77": ()}.items():
        (site / f"{name}.dist-info").mkdir()
        (site / f"{name}.dist-info" / "RECORD").write_text("".join(f"{file},,\n" for file in files))
    code, document = judged(shell, f"{tmp_path}/venv", "--gpu", "h100", "--driver", "525.60.13")
    assert code == 0, document
    (driver,) = [finding for finding in document["findings"] if finding["check"] == "driver"]
    assert driver["data"] == {"tier": "minor", "build_cuda": "12.6"}
    assert "nvidia-cuda-runtime-cu12" in driver["text"]
    code, document = judged(shell, f"{tmp_path}/venv", "--gpu", "a100", "--driver", "470")
    assert (code, codes(document, "fail")) == (3, {"driver-refuses-build", "gpu-code-missing"})


def test_without_gpu_code_nothing_is_promised(shell: Shell) -> None:
    shell.publish(Package("tool", files={"bin/tool": b"x"}))
    shell.create("tool")
    code, document = judged(shell, "demo", "--gpu", "a100", "--driver", "570")
    assert (code, codes(document, "warn")) == (0, {"nothing-for-gpus"})


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("demo", "--gpu", "no such gpu"), "no such gpu"),
        (("demo", "--gpu", "a100", "--driver", "550", "--level", "driver"), "--level"),
        (("demo", "--gpu", "a100", "--driver", "550", "--device", "0"), "--device"),
        (("nowhere", "--gpu", "a100", "--driver", "550"), "nowhere"),
    ],
)
def test_wrong_words_are_refused(shell: Shell, words: tuple[str, ...], said: str) -> None:
    shell.publish(Package("tool", files={"bin/tool": b"x"}))
    shell.create("tool")
    refused = shell.run("validate", *words)
    assert refused.code in {1, 2}
    assert said in refused.err
    assert "hint" in refused.err


def test_two_copies_of_a_cuda_library_are_named_with_their_sizes(shell: Shell) -> None:
    wheels = "lib/python3.11/site-packages/nvidia/cublas/lib"
    conda = Package(
        "libcublas",
        files={"lib/libcublas.so.12.4.5": bytes(2_000_000), "lib/libcublas.so.12": "libcublas.so.12.4.5"},
    )
    shell.publish(conda, Package("wheels", files={f"{wheels}/libcublas.so.12": b"\x7f" * 3_000_000}))
    shell.create("libcublas", "wheels")
    subjects = shell.ok("doctor", "demo", "--json").json["subjects"]
    (found,) = [f for f in subjects[0]["findings"] if f["code"] == "duplicate-cuda-library"]
    assert found["status"] == "warn"
    assert found["data"]["copies"] == [
        {"path": "lib/libcublas.so.12.4.5", "size_bytes": 2_000_000},
        {"path": f"{wheels}/libcublas.so.12", "size_bytes": 3_000_000},
    ]
    assert "libcublas.so.12 is there twice: lib/libcublas.so.12.4.5 (2.0 MB) and" in found["text"]
    assert "duplicate-cuda-library" in codes(judged(shell, "demo", "--gpu", "a100", "--driver", "570")[1], "warn")


def test_links_and_other_majors_are_no_copies(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("libcudnn_ops.so.9", "libcudnn.so.9", "libcublas.so.11", "libcublas.so.12", "libfoo.so.1"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "a" / "libcublas.so.12").symlink_to("../libcublas.so.12")
    os.link(tmp_path / "libcublas.so.12", tmp_path / "a" / "libcublas.so.12.1.1")
    (tmp_path / "a" / "libfoo.so.1").write_bytes(b"y")
    assert find_copies(tmp_path) == {}
    (tmp_path / "a" / "libcublas-f6acd947.so.11").write_bytes(b"xy")
    assert find_copies(tmp_path) == {"libcublas.so.11": [("a/libcublas-f6acd947.so.11", 2), ("libcublas.so.11", 1)]}


def test_a_kernel_that_finds_no_code_is_explained(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "libtorch_cuda.so").write_bytes(library(*[Entry("8.0")] * 20))
    host = Host("linux-64", gpus=(Gpu("H100", ComputeCapability(9, 0)),))
    failed = Finding("torch.matmul", "fail", Fact(NO_KERNEL_IMAGE))
    (found,) = explain_kernels(tmp_path, [failed], host)
    assert (found.status, found.code) == ("fail", "gpu-code-missing")
    assert say(found).startswith("libtorch_cuda.so holds 8.0: nothing for H100 (9.0)")
    assert explain_kernels(tmp_path, [Finding("torch.matmul", "fail", Fact(COMPUTE_FAILED))], host) == []
    assert explain_kernels(tmp_path, [failed], Host("linux-64")) == []

"""Frameworks beside the large three: their records as the channels have them, and what their probes say of a build."""

from __future__ import annotations

import pytest

from envkit.builds.classify import classify
from envkit.checks.framework import Gpus
from envkit.checks.frameworks import judge_framework
from envkit.checks.solution import check_solution
from envkit.checks.verdict import judge
from envkit.cuda.target import describe_target
from envkit.frameworks.table import ROWS
from envkit.models.build import Build, Record
from envkit.models.host import Target
from envkit.models.probe import ProbeOutcome
from envkit.models.request import CudaChoice, Request
from envkit.models.version import CudaVersion
from envkit.plan.implied import imply_cuda
from envkit.plan.solve_task import framework_of, plan_solve
from envkit.words.say import say

A100 = describe_target(Target("linux-64", glibc="2.35", microarch="x86_64_v3"), driver="550", gpus=("a100",))


def built(name: str, version: str, build: str, *depends: str, channel: str = "conda-forge") -> Build:
    return classify(Record(name, version, build, 0, "linux-64", channel=channel, depends=depends))


@pytest.mark.parametrize(
    ("build", "framework", "variant", "cuda", "tier"),
    [
        (
            built("faiss", "1.10.0", "cuda129_mkl_py311_hd51d757_300", "cuda-version >=12.9,<13"),
            *("faiss", "cuda", "12.9", "minor"),
        ),
        (built("faiss", "1.9.0", "py311cuda126h4491dc0_0_cuda"), "faiss", "cuda", "12.6", "minor"),
        (built("faiss", "1.10.0", "cpu_mkl_py311_ha9a4149_100"), "faiss", "cpu", None, "cpu"),
        (
            built("faiss-gpu", "1.7.4", "py3.10_hc0239a3_0_cuda11.4", "libfaiss 1.7.4 h13c3c6d_0_cuda11.4"),
            *("faiss", "cuda", "11.4", "unknown"),
        ),
        (built("faiss-cpu", "1.8.0", "h718b53a_2", "faiss 1.8.0 *_cpu"), "faiss", "cpu", None, "cpu"),
        (built("libxgboost", "3.3.0", "cpu_h2ebb00f_1"), "xgboost", "cpu", None, "cpu"),
        (
            built("libxgboost", "3.3.0", "cuda129_h2ebb00f_1", "cuda-version >=12.9,<13"),
            *("xgboost", "cuda", "12.9", "minor"),
        ),
        (
            built("liblightgbm", "4.6.0", "cuda129_h2ebb00f_7", "__cuda", "cuda-version >=12.9,<13"),
            *("lightgbm", "cuda", "12.9", "unknown"),
        ),
        (built("lightgbm", "4.1.0", "py312h30efb56_2", "numpy"), "lightgbm", "cpu", None, "cpu"),
        (
            built("onnxruntime", "1.24.2", "py311h546fdd5_200_cuda129", "__cuda", "cuda-version >=12.9,<13"),
            *("onnxruntime", "cuda", "12.9", "minor"),
        ),
        (built("onnxruntime", "1.24.2", "py313h7df2e60_0_cpu"), "onnxruntime", "cpu", None, "cpu"),
        (
            built(
                "paddlepaddle-gpu",
                "2.6.1",
                "py39_gpu_cuda11.2_many_linux",
                "cudatoolkit >=11.2,<11.3",
                channel="paddle",
            ),
            *("paddlepaddle", "cuda", "11.2", "unknown"),
        ),
        (
            built("paddlepaddle", "2.6.1", "py39_cpu_many_linux", channel="paddle"),
            *("paddlepaddle", "cpu", None, "cpu"),
        ),
        (
            built("cudf", "25.06.00", "cuda12_py312_250604_1a2b3c4d", "cuda-version >=12,<13.0a0", channel="rapidsai"),
            *("cudf", "cuda", "12.0", "unknown"),
        ),
    ],
)
def test_records_are_what_the_channel_means(
    build: Build, framework: str, variant: str, cuda: str | None, tier: str
) -> None:
    found = str(build.build_cuda) if build.build_cuda else None
    assert (build.framework, build.variant, found) == (framework, variant, cuda)
    assert judge(build, A100).tier.value == tier


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("xgboost", "libxgboost"),
        ("py-xgboost-gpu", "libxgboost"),
        ("faiss-gpu", "faiss-gpu"),
        ("paddlepaddle-gpu", "paddlepaddle-gpu"),
        ("dask-cudf", "cudf"),
        ("lightgbm", None),
        ("faiss-proc", None),
    ],
)
def test_the_package_to_choose(spec: str, name: str | None) -> None:
    assert framework_of(Request((spec,)).parsed) == name


def test_a_framework_may_have_a_package_that_names_the_toolkit() -> None:
    for spec in ("paddlepaddle-cuda=12.6", "pytorch-cuda=12.6"):
        assert imply_cuda(Request((spec,))).cuda == CudaChoice("exact", CudaVersion(12, 6))
    depends = ("paddlepaddle-cuda 12.6.*", "cuda-version >=12,<13")
    build = built("paddlepaddle-gpu", "3.0.0", "py311_gpu_many_linux", *depends, channel="paddle")
    assert (str(build.build_cuda), build.cuda_major_only) == ("12.6", False)


@pytest.mark.parametrize("name", ["faiss-cpu", "py-xgboost-cpu", "cpuonly"])
def test_a_package_for_the_cpu_means_no_cuda(name: str) -> None:
    assert imply_cuda(Request((name,))).cuda == CudaChoice("none")


def test_a_pick_of_a_channel_of_frameworks_is_solved_with_what_its_parts_come_from() -> None:
    build = built("paddlepaddle-gpu", "3.0.0", "py311_gpu_cuda12.6_many_linux", channel="https://host/paddle")
    request = Request(("paddlepaddle-gpu",), channels=("https://host/conda-forge",))
    task = plan_solve(request, A100, judge(build, A100))
    assert task.channels == ("https://host/paddle", "https://host/nvidia", "https://host/conda-forge")
    assert {"paddlepaddle-cuda 12.6.*", "cuda-version >=12,<13"} <= set(task.constraints)


def test_the_cpu_build_of_what_most_use_on_the_cpu_is_no_refusal() -> None:
    xgboost = Record("libxgboost", "3.3.0", "cpu_h2ebb00f_1", subdir="linux-64")
    lightgbm = Record("liblightgbm", "4.6.0", "cpu_h52df330_8", subdir="linux-64")
    for record, codes in ((xgboost, ["cpu-build"]), (lightgbm, [])):
        refused = check_solution([record], A100, Request((record.name,)))
        assert [refusal.reason.code for refusal in refused] == codes


@pytest.mark.parametrize(
    ("key", "build", "text", "code"),
    [
        ("xgboost", {"cuda": "12.9", "nccl": "2.27.7"}, "XGBoost 1.0: CUDA 12.9, NCCL 2.27.7", "xgboost-sees-no-gpu"),
        ("xgboost", {}, "XGBoost 1.0: a CPU build", "cpu-build"),
        (
            "lightgbm",
            {"cuda": True, "learners": ["CPU", "CUDA"]},
            "LightGBM 1.0: trees by CPU, CUDA",
            "lightgbm-sees-no-gpu",
        ),
        ("lightgbm", {"cuda": False, "learners": ["CPU"]}, "LightGBM 1.0: trees by CPU, a CPU build", None),
        ("faiss", {"gpu": False, "options": ["AVX2"]}, "Faiss 1.0: code for AVX2, a CPU build", "cpu-build"),
        ("faiss", {"gpu": True, "options": ["GPU"]}, "Faiss 1.0: code for GPU", "faiss-sees-no-gpu"),
        (
            "paddlepaddle",
            {"cuda": "12.6", "cudnn": "9.5"},
            "PaddlePaddle 1.0: CUDA 12.6, cuDNN 9.5",
            "paddlepaddle-sees-no-gpu",
        ),
        ("cudf", {}, "cuDF 1.0: a CUDA build", "cudf-sees-no-gpu"),
        ("numba", {"compiler": "LLVM"}, "numba 1.0: compiles with LLVM", None),
    ],
)
def test_what_a_probe_says_of_its_build(key: str, build: dict[str, object], text: str, code: str | None) -> None:
    document = {"version": "1.0", "build": build, "devices": [], "checks": []}
    findings = judge_framework(ROWS[key], ProbeOutcome("done", ("python",), document=document), Gpus("ok", 1))
    assert say(findings[0]) == text
    assert (findings[-1].code if len(findings) > 1 else None) == code

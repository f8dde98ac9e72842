"""What measured libraries mean for GPUs: numbers of real wheels, and who decides in a package."""

from __future__ import annotations

import pytest

from envkit.builds.libraries import library_role
from envkit.checks.gpucode import judge_package, judge_packages
from envkit.cuda.coverage import cover, main_sass
from envkit.cuda.gpus import parse_gpu
from envkit.cuda.ptx import cuda_of_isa
from envkit.cuda.target import describe_target
from envkit.models.build import Tier
from envkit.models.gpucode import Architecture, GpuLibrary, GpuPackage, PtxCode
from envkit.models.host import Target
from envkit.models.version import CudaVersion
from envkit.words.say import say

BASE = Target("linux-64", glibc="2.35", microarch="x86_64_v3")


def library(name: str, sass: str, ptx: str = "") -> GpuLibrary:
    """Return a library from lists such as ``7.5:448 9.0a:4`` and ``12.0:2@9.0``."""
    entries = {Architecture.parse(arch): int(number) for arch, number in (word.split(":") for word in sass.split())}
    codes: dict[Architecture, PtxCode] = {}
    for word in ptx.split():
        arch, _, rest = word.partition(":")
        number, _, isa = rest.partition("@")
        codes[Architecture.parse(arch)] = PtxCode(int(number), CudaVersion.parse(isa))
    return GpuLibrary(f"lib/{name}", 1, entries, codes)


def package(name: str, version: str, *libraries: GpuLibrary) -> GpuPackage:
    return GpuPackage(name, version, "", f"{name}.whl", "0" * 64, "2026-11-25", libraries)


# Entries as they are in the wheels of PyPI.
TORCH_2_12 = package(
    "torch",
    "2.12.1",
    library(
        "libtorch_cuda.so",
        "7.5:448 8.0:448 8.6:448 8.9:1 9.0:448 9.0a:4 10.0:448 10.0a:59 10.3a:59 12.0:448 12.0a:1 12.1a:1",
    ),
    library("libtorch_cuda_linalg.so", "8.0:65 8.6:65 9.0:65 10.0:65 12.0:65"),
    library("libtorch_nvshmem.so", "7.5:4 8.0:4 8.6:2 8.9:2 9.0:4 10.0:4 12.0:4", "12.0:2@9.0"),
)
CUBLASLT_12_9 = library(
    "libcublasLt.so.12",
    "5.0:90 6.0:91 6.1:82 7.0:144 7.5:116 8.0:477 8.6:100 8.9:247 9.0:217 9.0a:1375 10.0:1399 10.3:64 12.0:300 "
    "12.0f:1133 12.1:4",
    "12.0:129@8.8 5.2:1@8.8",
)
CUBLAS_12_9 = package(
    "nvidia-cublas-cu12",
    "12.9.1.4",
    library(
        "libcublas.so.12",
        "5.0:190 6.0:191 6.1:116 7.0:192 7.5:12 8.0:193 8.6:116 9.0:193 10.0:193 12.0:194",
        "12.0:190@8.7",
    ),
    CUBLASLT_12_9,
)
CUBLAS_12_8 = package(
    "nvidia-cublas-cu12",
    "12.8.4.1",
    library(
        "libcublasLt.so.12",
        "5.0:90 6.0:91 6.1:82 7.0:144 7.5:116 8.0:477 8.6:100 8.9:247 9.0:1319 9.0a:272 10.0:1362 10.0a:429 12.0:1411 "
        "12.0a:35",
        "5.2:1@8.7 12.0:135@8.7",
    ),
)
PADDLE_2_6 = package(
    "paddlepaddle-gpu",
    "2.6.2",
    library(
        "libphi.so",
        "3.5:8 5.0:8 5.2:8 6.0:8 6.1:673 7.0:673 7.5:665 8.0:665 8.6:665 9.0:8",
        "7.0:7@7.8 7.5:7@7.8 8.0:7@7.8",
    ),
)
TENSORFLOW_2_21 = package(
    "tensorflow",
    "2.21.0",
    library("libtensorflow_cc.so.2", "6.0:1398 7.0:1398 8.0:1398 8.9:1398 9.0:249", "9.0:1398@8.5"),
)
CUDNN_9_11 = package(
    "nvidia-cudnn-cu12",
    "9.11.0.98",
    library("libcudnn_adv.so.9", "7.5:33 8.0:33 8.6:33 9.0a:33 10.0f:33 12.0:33", "12.0:10@8.8"),
    library("libcudnn_cnn.so.9", "7.5:12 8.0:10 8.6:10 9.0a:10 10.0f:10 12.0:10", "12.0:10@8.8"),
    library(
        "libcudnn_engines_precompiled.so.9",
        "5.0:278 6.0:278 6.1:279 7.0:291 7.5:441 8.0:632 8.6:343 9.0:262 9.0a:292 10.0:664 10.0f:296 10.3:7 12.0:361 "
        "12.0f:316 12.1:6",
        "12.0:93@8.8",
    ),
    library("libcudnn_ops.so.9", "7.5:22 8.0:22 9.0a:22 10.0f:22 12.0:22", "12.0:22@8.8"),
)
ONNXRUNTIME_1_31 = package(
    "onnxruntime-gpu",
    "1.31.1",
    library("libonnxruntime_providers_cuda.so", "7.5:217 8.0:308 8.6:308 8.9:308 9.0a:600 12.0a:317"),
)
XLA_0_10 = package(
    "jax-cuda13-pjrt",
    "0.10.2",
    library("xla_cuda_plugin.so", "7.5:49 8.0:49 9.0:49 10.0:49 11.0:49 12.0:49", "12.0:49@9.0"),
)
CUPY_14 = package(
    "cupy-cuda12x",
    "14.2.0",
    library(
        "thrust.cpython-311-x86_64-linux-gnu.so",
        "5.0:1 5.2:1 6.0:1 6.1:1 7.0:1 7.5:1 8.0:1 8.6:1 8.9:1 9.0:1 10.0f:1 12.0f:1",
        "10.0:1@8.8",
    ),
)
BITSANDBYTES = package(
    "bitsandbytes",
    "0.50.2",
    library("libbitsandbytes_cuda118.so", "6.0:7 7.0:7 7.5:7 8.0:7 8.6:7 8.9:7 9.0:7", "9.0:6@7.8"),
    library("libbitsandbytes_cuda130.so", "7.5:7 8.0:7 8.6:7 8.9:7 9.0:7 10.0:7 12.0:7", "12.0:6@9.0"),
)
CUSPARSELT = package("nvidia-cusparselt-cu13", "0.8.1", library("libcusparseLt.so.0", "8.0:12 8.6:11 9.0a:17"))
NVRTC = package("nvidia-cuda-nvrtc", "13.0.88", library("libnvrtc-builtins.so", "9.0:1"))


@pytest.mark.parametrize(
    ("judged", "gpu", "tier", "code"),
    [
        (TORCH_2_12, "t4", Tier.NATIVE, "machine-code"),
        (TORCH_2_12, "h100", Tier.NATIVE, "machine-code"),
        (TORCH_2_12, "l4", Tier.NATIVE, "machine-code"),
        (TORCH_2_12, "rtx 5090", Tier.NATIVE, "machine-code"),
        (TORCH_2_12, "gb10", Tier.NATIVE, "machine-code"),
        (TORCH_2_12, "b300", Tier.NATIVE, "machine-code"),
        (TORCH_2_12, "v100", Tier.NO, "no-kernel-image"),
        (TORCH_2_12, "orin", Tier.NO, "no-kernel-image"),
        (CUBLAS_12_9, "m60", Tier.NATIVE, "machine-code"),
        (CUBLAS_12_9, "t4", Tier.NATIVE, "machine-code"),
        (CUBLAS_12_9, "gb10", Tier.NATIVE, "machine-code"),
        (CUBLAS_12_8, "m60", Tier.NATIVE, "machine-code"),
        (CUBLAS_12_8, "v100", Tier.NATIVE, "machine-code"),
        (PADDLE_2_6, "v100", Tier.NATIVE, "machine-code"),
        (PADDLE_2_6, "h100", Tier.NO, "partly-covered"),
        (TENSORFLOW_2_21, "l4", Tier.NATIVE, "machine-code"),
        (TENSORFLOW_2_21, "h100", Tier.JIT, "jit"),
        (CUDNN_9_11, "v100", Tier.NO, "no-kernel-image"),
        (CUDNN_9_11, "t4", Tier.NATIVE, "machine-code"),
        (CUDNN_9_11, "h100", Tier.NATIVE, "machine-code"),
        (CUDNN_9_11, "b300", Tier.NATIVE, "machine-code"),
        (ONNXRUNTIME_1_31, "t4", Tier.NATIVE, "machine-code"),
        (ONNXRUNTIME_1_31, "rtx 5090", Tier.NATIVE, "machine-code"),
        (ONNXRUNTIME_1_31, "gb10", Tier.NO, "no-kernel-image"),
        (ONNXRUNTIME_1_31, "b200", Tier.NO, "no-kernel-image"),
        (XLA_0_10, "b300", Tier.NATIVE, "machine-code"),
        (XLA_0_10, "v100", Tier.NO, "no-kernel-image"),
        (CUPY_14, "b300", Tier.NATIVE, "machine-code"),
        (CUPY_14, "thor", Tier.JIT, "jit"),
        (BITSANDBYTES, "rtx 5090", Tier.NATIVE, "machine-code"),
        (BITSANDBYTES, "m60", Tier.NO, "no-kernel-image"),
        (CUSPARSELT, "v100", Tier.NATIVE, "library-without-code"),
        (CUSPARSELT, "h100", Tier.NATIVE, ""),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_real_packages_on_gpus(judged: GpuPackage, gpu: str, tier: Tier, code: str) -> None:
    verdict = judge_package(judged, describe_target(BASE, driver="580.95.05", gpus=[gpu]))
    assert verdict is not None
    assert (verdict.tier, verdict.reasons[0].code if verdict.reasons else "") == (tier, code)
    assert verdict.refuses == (tier is Tier.NO)


def test_the_words_name_library_package_and_gpu() -> None:
    volta = judge_package(CUDNN_9_11, describe_target(BASE, driver="580", gpus=["v100"]))
    assert volta is not None
    assert [say(reason) for reason in volta.reasons] == [
        (
            "libcudnn_ops.so.9 of nvidia-cudnn-cu12 9.11.0.98 holds 7.5 8.0 9.0a 10.0f 12.0 and PTX 12.0: nothing for "
            "V100 (7.0)"
        ),
        (
            "libcudnn_adv.so.9, libcudnn_cnn.so.9 of nvidia-cudnn-cu12 9.11.0.98: nothing for V100 (7.0), so what "
            "needs it fails there"
        ),
    ]


def test_a_library_beside_the_own_one_is_named_and_does_not_refuse() -> None:
    turing = judge_package(TORCH_2_12, describe_target(BASE, driver="580", gpus=["t4"]))
    assert turing is not None
    assert turing.tier is Tier.NATIVE
    assert "libtorch_cuda_linalg.so of torch 2.12.1: nothing for T4 (7.5)" in say(turing.reasons[1])
    assert len(turing.reasons) == 2, "NVSHMEM is for several GPUs: most do without"


def test_a_few_kernels_beside_the_many_of_others_are_not_coverage() -> None:
    few = library("libtorch_cuda.so", "8.0:448 8.6:448 9.0:448 10.0a:59 12.0a:1")
    blackwell = describe_target(BASE, driver="580", gpus=["b200"])
    verdict = judge_package(package("torch", "2.12.1", few), blackwell)
    assert verdict is not None
    assert (verdict.tier, verdict.reasons[0].code) == (Tier.NO, "partly-covered")
    assert "only 59 kernel files for B200 (10.0) where 224 would do" in say(verdict.reasons[0])
    assert [str(arch) for arch in sorted(main_sass(few))] == ["8.0", "8.6", "9.0"]


def test_ptx_needs_the_driver_of_its_isa() -> None:
    only = package("xgboost", "3.2.0", library("libxgboost.so", "5.0:65 7.0:65 8.0:65", "8.0:65@8.8"))
    tiers = {
        driver: verdict.tier
        for driver in ("570.26", "575.51.03", "580")
        if (verdict := judge_package(only, describe_target(BASE, driver=driver, gpus=["h100"]))) is not None
    }
    assert tiers == {"570.26": Tier.NO, "575.51.03": Tier.JIT, "580": Tier.JIT}
    late = judge_package(only, describe_target(BASE, driver="570.26", gpus=["h100"]))
    assert late is not None
    assert say(late.reasons[0]).startswith("libxgboost.so of xgboost 3.2.0: only PTX (8.0) for H100 (9.0), and PTX of ")
    assert [str(cuda_of_isa(CudaVersion.parse(isa))) for isa in ("6.0", "7.8", "8.5", "9.0", "9.9")] == [
        *("9.0", "11.8", "12.5", "13.0", "13.9")
    ]


def test_every_gpu_of_the_target_counts() -> None:
    both = judge_package(TORCH_2_12, describe_target(BASE, driver="580", gpus=["h100", "v100"]))
    assert both is not None
    assert [reason.code for reason in both.reasons] == ["no-kernel-image", "machine-code", "library-without-code"]


def test_nothing_is_said_where_nothing_can_be() -> None:
    h100 = describe_target(BASE, driver="580", gpus=["h100"])
    assert judge_package(package("numpy", "2.0"), h100) is None
    assert judge_package(NVRTC, h100) is None
    assert judge_package(TORCH_2_12, describe_target(BASE, driver="580")) is None
    verdicts = judge_packages([NVRTC, TORCH_2_12, CUDNN_9_11], describe_target(BASE, driver="580", gpus=["v100", "t4"]))
    assert [verdict.package.name for verdict in verdicts] == ["torch", "nvidia-cudnn-cu12"]


@pytest.mark.parametrize(
    ("name", "file", "role"),
    [
        ("torch", "libtorch_cuda.so", "own"),
        ("libtorch", "libtorch_cuda.so", "own"),
        ("torch", "libtorch_cuda_linalg.so", "part"),
        ("torch", "libtorch_nvshmem.so", "optional"),
        ("torch", "libcusparseLt-294d6944.so.0", "optional"),
        ("torch", "libcudnn_ops_infer.so.8", "own"),
        ("nvidia-cudnn-cu13", "libcudnn_ops.so.9", "own"),
        ("cudnn", "libcudnn_adv.so.9", "part"),
        ("libcublas", "libcublasLt.so.12", "own"),
        ("nvidia-cusolver-cu12", "libcusolver.so.11", "own"),
        ("nvidia-cusolver-cu12", "libcusolverMg.so.11", "part"),
        ("nvidia-nccl-cu12", "libnccl.so.2", "optional"),
        ("nvidia-nvshmem-cu12", "nvshmem_bootstrap.so", "optional"),
        ("triton", "libtriton.so", "compiler"),
        ("nvidia-cuda-nvrtc-cu12", "libnvrtc.so.12", "compiler"),
        ("libcudf-cu12", "libcudf.so", "own"),
        ("cupy-cuda13x", "cub.cpython-311-x86_64-linux-gnu.so", "own"),
        ("gsplat", "csrc.so", "any"),
        ("", "libtorch_cuda.so", "own"),
    ],
)
def test_roles(name: str, file: str, role: str) -> None:
    assert library_role(name, file) == role


def test_coverage_counts_what_the_gpu_can_use() -> None:
    assert cover(CUBLASLT_12_9, parse_gpu("gb10")).entries == 300 + 1133 + 4
    assert cover(CUBLASLT_12_9, parse_gpu("rtx 4090")).kind == "covered"

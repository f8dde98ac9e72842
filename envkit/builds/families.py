"""Which packages belong to which framework, and what channels are called."""

from __future__ import annotations

from functools import lru_cache

__all__ = [
    "CUDA_LIBRARIES",
    "GPU_FRAMEWORKS",
    "TOOLKIT_PACKAGES",
    "channel_name",
    "framework_of_package",
    "is_core",
]

GPU_FRAMEWORKS = ("pytorch", "tensorflow", "jax", "mxnet", "cupy", "onnxruntime", "faiss", "xgboost")
"""Frameworks whose builds differ by CUDA, the ones that a request most often is about first."""

_MEMBERS = {
    "pytorch": (
        "pytorch libtorch pytorch-gpu pytorch-cpu torchvision torchaudio torchtext torchdata torchtriton triton "
        "torchcodec pytorch-cuda pytorch-mutex cpuonly torchvision-extra-decoders _pytorch_select"
    ),
    "tensorflow": (
        "tensorflow tensorflow-base tensorflow-gpu tensorflow-cpu tensorflow-estimator tensorflow-gpu-base "
        "tensorflow-mkl tensorflow-eigen libtensorflow libtensorflow_cc _tflow_select"
    ),
    "jax": "jax jaxlib jax-cuda12-plugin jax-cuda12-pjrt jax-cuda13-plugin jax-cuda13-pjrt",
    "mxnet": "mxnet libmxnet py-mxnet mxnet-gpu mxnet-mkl _mutex_mxnet",
    "cupy": "cupy cupy-core",
    "onnxruntime": "onnxruntime onnxruntime-cpp onnxruntime-novec onnxruntime-gpu",
    "faiss": "faiss libfaiss faiss-gpu faiss-cpu libfaiss-avx2 faiss-proc",
    "xgboost": "xgboost libxgboost py-xgboost py-xgboost-gpu py-xgboost-cpu _py-xgboost-mutex xgboost-gpu",
    "lightgbm": "lightgbm liblightgbm",
    "numba": "numba numba-cuda",
}
_FRAMEWORK = {name: framework for framework, names in _MEMBERS.items() for name in names.split()}

_CORE = frozenset(
    [
        "pytorch",
        "libtorch",
        "tensorflow",
        "tensorflow-base",
        "libtensorflow",
        "libtensorflow_cc",
        "jaxlib",
        "mxnet",
        "libmxnet",
        "py-mxnet",
        "onnxruntime",
        "onnxruntime-cpp",
        "faiss",
        "libfaiss",
        "libxgboost",
        "py-xgboost",
        "lightgbm",
        "liblightgbm",
    ]
)

TOOLKIT_PACKAGES = ("pytorch-cuda", "cuda-version", "cudatoolkit")
"""Packages whose version is that of a toolkit, the most telling first."""

CUDA_LIBRARIES = frozenset(
    [
        "cudnn",
        "libcudnn",
        "nccl",
        "cutensor",
        "libcutensor",
        "libcusparse",
        "libcusolver",
        "libcufft",
        "libcurand",
        "libcublas",
        "libnpp",
        "libnvjpeg",
        "libnvjitlink",
        "libcufile",
        "libcusparse_lt",
        "libmagma",
        "magma",
        "cudss",
        "libcudss",
        "libnvrtc",
        "nvtx-c",
        "cuda-nvcc",
        "cuda-nvcc-tools",
        "cuda-nvrtc",
        "cuda-cudart",
        "cuda-cupti",
        "cuda-nvtx",
        "cuda-libraries",
        "cuda-runtime",
        "cuda-driver-dev",
        "cuda-cudart-dev",
        "cuda-cupti-dev",
        "libcublas-dev",
        "cuda-toolkit",
        "cuda",
        "cuda-compat",
        "cuda-compat-impl",
        "tensorrt",
        "libnvinfer",
        "nvshmem",
        "libnvshmem3",
        "libnvshmem-dev",
        "cuda-nvvm-tools",
        "cuda-nvvm-impl",
        "cuda-crt-tools",
        "cusparselt",
        "cusparse",
    ]
)
"""Packages that are CUDA themselves, so that whoever depends on one is a CUDA build."""


@lru_cache(maxsize=16384)
def framework_of_package(name: str) -> str | None:
    """The framework that a package belongs to; None for any other."""
    if name in _FRAMEWORK:
        return _FRAMEWORK[name]
    return "tensorflow" if name.startswith("tensorflow-") and name.endswith(("gpu", "cpu", "base")) else None


def is_core(name: str) -> bool:
    """Whether a package holds a framework's compiled code: without any sign of CUDA it is a CPU build."""
    return name in _CORE


@lru_cache(maxsize=4096)
def channel_name(channel: str) -> str:
    """The short name of a channel: ``conda-forge`` of any mirror, ``pytorch``, ``nvidia``, ``pkgs/main``."""
    text = channel.split("::", 1)[0].rstrip("/")
    parts = [part for part in text.split("/") if part]
    if not parts:
        return ""
    if parts[-1] in {"linux-64", "linux-aarch64", "osx-64", "osx-arm64", "win-64", "noarch"} and len(parts) > 1:
        parts.pop()
    if len(parts) > 1 and parts[-2] == "pkgs":
        return f"pkgs/{parts[-1]}"
    return {"defaults": "pkgs/main", "main": "pkgs/main"}.get(parts[-1], parts[-1])

"""The sayings of corrections."""

from __future__ import annotations

from collections.abc import Callable

from envkit.models.codes import corrections as codes
from envkit.models.version import CudaVersion


def _without_gpu(asked: CudaVersion | None) -> str:
    return (
        f"{f'pytorch-cuda {asked}' if asked else 'pytorch-cuda'} on a target without a GPU: conda would install it all "
        "the same (channel pytorch never asks for a driver): cpuonly instead"
    )


def _too_new(asked: CudaVersion, works: CudaVersion, reason: str | None) -> str:
    why = reason or "its builds hold no code for this GPU"
    return f"pytorch-cuda {asked}: {why}: pytorch-cuda {works} runs there"


def _driver_too_old(asked: CudaVersion, reason: str) -> str:
    return f"pytorch-cuda {asked}: {reason}, and no older one runs there either: cpuonly instead"


def _tensorflow_gpu(*, macos: bool) -> str:
    if macos:
        return "tensorflow-gpu is not built for macOS: tensorflow instead"
    return "tensorflow-gpu only selects GPU builds of tensorflow, and none of its own fits: tensorflow itself has one"


def _cudatoolkit(last: CudaVersion, asked: CudaVersion, reason: str | None, cuda: str | None) -> str:
    ended = f"cudatoolkit ended with {last}" + (f" (and {reason})" if reason is not None else "")
    if cuda is not None:
        return f"{ended}: which CUDA a framework was compiled with is said by --cuda {cuda}"
    return f"{ended}: from CUDA 12 on the toolkit is many packages that follow cuda-version, so cuda-version={asked}"


CORRECTIONS: dict[str, str | Callable[..., str]] = {
    codes.CPUONLY_ON_MACOS: "PyTorch for macOS has no CUDA: cpuonly is dropped",
    codes.CPUONLY_WITH_CONDA_FORGE: (
        "cpuonly works with channel pytorch only; on conda-forge the CPU build is pytorch-cpu"
    ),
    codes.CUDATOOLKIT_12: _cudatoolkit,
    codes.PYTORCH_CHANNEL_LACKS_GPU: (
        "pytorch-cuda {asked}: channel pytorch ended with {last}, whose builds hold no code for compute capability "
        "{capabilities}: conda-forge's pytorch has it"
    ),
    codes.PYTORCH_CUDA_DRIVER_TOO_OLD: _driver_too_old,
    codes.PYTORCH_CUDA_ON_MACOS: (
        "pytorch-cuda is for Linux and Windows; PyTorch for macOS uses Metal without it: pytorch-cuda is dropped"
    ),
    codes.PYTORCH_CUDA_TOO_NEW: _too_new,
    codes.PYTORCH_CUDA_WITHOUT_GPU: _without_gpu,
    codes.TENSORFLOW_GPU: _tensorflow_gpu,
}

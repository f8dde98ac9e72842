"""Codes of corrections: requests that are known not to work as they stand."""

from __future__ import annotations

from envkit.models.fact import Code


def _correction(name: str, meaning: str) -> Code:
    return Code("correction", name, meaning)


CPUONLY_ON_MACOS = _correction("cpuonly-on-macos", "PyTorch for macOS has no CUDA to leave out.")
CPUONLY_WITH_CONDA_FORGE = _correction("cpuonly-with-conda-forge", "`cpuonly` works with channel pytorch only.")
CUDATOOLKIT_12 = _correction("cudatoolkit-12", "`cudatoolkit` ended with CUDA 11.8.")
PYTORCH_CHANNEL_LACKS_GPU = _correction("pytorch-channel-lacks-gpu", "Channel pytorch holds no code for the GPU.")
PYTORCH_CUDA_DRIVER_TOO_OLD = _correction("pytorch-cuda-driver-too-old", "The driver runs no `pytorch-cuda` at all.")
PYTORCH_CUDA_ON_MACOS = _correction("pytorch-cuda-on-macos", "`pytorch-cuda` is not for macOS.")
PYTORCH_CUDA_TOO_NEW = _correction("pytorch-cuda-too-new", "An older `pytorch-cuda` runs on the target.")
PYTORCH_CUDA_WITHOUT_GPU = _correction("pytorch-cuda-without-gpu", "`pytorch-cuda` is of no use without a GPU.")
TENSORFLOW_GPU = _correction("tensorflow-gpu", "`tensorflow-gpu` selects no build that fits, and `tensorflow` has one.")

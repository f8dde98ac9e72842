"""PaddlePaddle, on channel paddle alone (PaddlePaddle/docs 025b8b1).

PaddlePaddle/Paddle 01141ff, paddle/scripts/conda_build.py, writes its records: ``paddlepaddle`` is for the CPU and
``paddlepaddle-gpu`` for CUDA (``py39_gpu_cuda11.2_many_linux``). Since 3.0 ``paddlepaddle-cuda`` names the toolkit.
"""

from __future__ import annotations

from envkit.frameworks.row import FrameworkRow

ROW = FrameworkRow(
    key="paddlepaddle",
    title="PaddlePaddle",
    module="paddle",
    packages=("paddlepaddle", "paddlepaddle-gpu", "paddlepaddle-cuda"),
    compiled="paddlepaddle",
    picked="*",
    core=("paddlepaddle",),
    cuda_packages=("paddlepaddle-gpu", "paddlepaddle-cuda"),
    toolkit="paddlepaddle-cuda",
    always_cuda=("paddlepaddle-gpu",),
    channels=("paddle", "nvidia"),
    companions={"paddle": ("paddlepaddle-cuda {cuda}.*",)},
    gpu_libraries=("libphi.so", "libphi_gpu.so"),
    probe="paddlepaddle.py",
    identity=(("CUDA", "cuda"), ("cuDNN", "cudnn")),
)

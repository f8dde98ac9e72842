"""CuPy: conda-forge/cupy-feedstock. It exists for CUDA alone."""

from __future__ import annotations

from envkit.frameworks.row import FrameworkRow, RuntimeCompiler

ROW = FrameworkRow(
    key="cupy",
    title="CuPy",
    module="cupy",
    packages=("cupy", "cupy-core"),
    compiled="cupy",
    always_cuda=("cupy", "cupy-core"),
    runtime_compiler=RuntimeCompiler("CuPy", "NVRTC", slower=False),
    cuda_files=("cupy_backends/cuda",),
    gpu_libraries=("cub.*.so", "thrust.*.so", "cub.*.pyd", "thrust.*.pyd"),
    wheels=("cupy-cuda*",),
    probe="cupy.py",
    identity=(("CUDA", "cuda"),),
)

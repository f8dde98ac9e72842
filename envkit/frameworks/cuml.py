"""RAPIDS cuML: rapidsai/cuml 025700e, conda/recipes; ``cuda12_py312_...`` names the major alone. For CUDA alone."""

from __future__ import annotations

from envkit.frameworks.row import FrameworkRow

ROW = FrameworkRow(
    key="cuml",
    title="cuML",
    module="cuml",
    packages=("cuml", "libcuml", "libcumlprims", "cuml-cpu"),
    compiled="cuml",
    cpu_packages=("cuml-cpu",),
    always_cuda=("cuml", "libcuml", "libcumlprims"),
    channels=("rapidsai",),
    gpu_libraries=("libcuml.so", "libcuml++.so"),
    wheels=("libcuml-cu*",),
    probe="cuml.py",
    identity=(("CUDA", "cuda"),),
)

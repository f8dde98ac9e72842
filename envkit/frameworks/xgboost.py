"""XGBoost: conda-forge/xgboost-feedstock f2e8b29 and 015bd4b; ``libxgboost`` has the code."""

from __future__ import annotations

from envkit.frameworks.row import FrameworkRow

ROW = FrameworkRow(
    key="xgboost",
    title="XGBoost",
    module="xgboost",
    packages=(
        *("xgboost", "libxgboost", "py-xgboost", "py-xgboost-gpu", "py-xgboost-cpu", "_py-xgboost-mutex"),
        *("xgboost-gpu", "xgboost-cpu"),
    ),
    compiled="libxgboost",
    wrappers=("xgboost", "py-xgboost"),
    core=("libxgboost", "py-xgboost"),
    stubs=("_py-xgboost-mutex",),
    cpu_packages=("py-xgboost-cpu", "xgboost-cpu"),
    cuda_packages=("py-xgboost-gpu", "xgboost-gpu"),
    cuda_variants=("libxgboost * *cuda*",),
    gpu_libraries=("libxgboost.so", "xgboost.dll"),
    probe="xgboost.py",
    identity=(("CUDA", "cuda"), ("NCCL", "nccl")),
)

"""LightGBM: conda-forge/lightgbm-feedstock 011b2ac, ``cuda129_h...`` or ``cpu_h...``; most use it on the CPU."""

from __future__ import annotations

from envkit.frameworks.row import FrameworkRow

ROW = FrameworkRow(
    key="lightgbm",
    title="LightGBM",
    module="lightgbm",
    packages=("lightgbm", "liblightgbm"),
    compiled="liblightgbm",
    wrappers=("lightgbm",),
    core=("lightgbm", "liblightgbm"),
    cuda_variants=("liblightgbm * cuda*",),
    gpu_libraries=("lib_lightgbm.so",),
    probe="lightgbm.py",
    identity=(("trees by", "learners"),),
    gpu_is_optional=True,
)

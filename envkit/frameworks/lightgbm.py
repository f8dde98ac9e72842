"""LightGBM."""

from __future__ import annotations

from envkit.frameworks.row import FrameworkRow

ROW = FrameworkRow(
    key="lightgbm",
    title="LightGBM",
    module="lightgbm",
    packages=("lightgbm", "liblightgbm"),
    compiled="liblightgbm",
    core=("lightgbm", "liblightgbm"),
    probe=None,
    gpu_is_optional=True,
)

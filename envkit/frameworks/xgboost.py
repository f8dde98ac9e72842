"""XGBoost."""

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
    probe=None,
)

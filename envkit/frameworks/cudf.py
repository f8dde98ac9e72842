"""RAPIDS cuDF: rapidsai/cudf 0003428, conda/recipes; ``cuda12_py312_...`` names the major alone. For CUDA alone."""

from __future__ import annotations

from envkit.frameworks.row import FrameworkRow

ROW = FrameworkRow(
    key="cudf",
    title="cuDF",
    module="cudf",
    packages=(
        *("cudf", "libcudf", "pylibcudf", "dask-cudf", "cudf-polars", "cudf_kafka", "libcudf_kafka", "custreamz"),
    ),
    compiled="cudf",
    always_cuda=("cudf", "libcudf", "pylibcudf", "cudf_kafka", "libcudf_kafka"),
    channels=("rapidsai",),
    gpu_libraries=("libcudf.so",),
    wheels=("libcudf-cu*",),
    probe="cudf.py",
    identity=(("CUDA", "cuda"),),
)

"""numba: conda-forge/numba-feedstock. Its code for GPUs goes to the driver as PTX."""

from __future__ import annotations

from envkit.frameworks.row import FrameworkRow

ROW = FrameworkRow(
    key="numba",
    title="numba",
    module="numba",
    packages=("numba", "numba-cuda"),
    compiled="numba",
    ptx_to_driver=True,
    probe="numba.py",
    cuda_fact=None,
    identity=(("compiles with", "compiler"),),
    gpu_is_optional=True,
)

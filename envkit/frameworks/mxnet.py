"""Apache MXNet, retired: AnacondaRecipes/mxnet-feedstock be4ab9b, pkgs/main only."""

from __future__ import annotations

from envkit.frameworks.row import FrameworkRow

ROW = FrameworkRow(
    key="mxnet",
    title="MXNet",
    module="mxnet",
    packages=("mxnet", "libmxnet", "py-mxnet", "mxnet-gpu", "mxnet-mkl", "_mutex_mxnet"),
    compiled="libmxnet",
    wrappers=("mxnet", "py-mxnet"),
    picked="mxnet",
    core=("mxnet", "libmxnet", "py-mxnet"),
    math_is_cpu=True,
    gpu_libraries=("libmxnet.so",),
    wheels=("mxnet-cu*",),
    probe=None,
)

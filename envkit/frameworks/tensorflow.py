"""TensorFlow: conda-forge/tensorflow-feedstock 2cc3b12, AnacondaRecipes/tensorflow 72e2725."""

from __future__ import annotations

from envkit.frameworks.row import FrameworkRow, RuntimeCompiler

ROW = FrameworkRow(
    key="tensorflow",
    title="TensorFlow",
    module="tensorflow",
    packages=(
        *("tensorflow", "tensorflow-base", "tensorflow-gpu", "tensorflow-cpu", "tensorflow-estimator"),
        *("tensorflow-gpu-base", "tensorflow-mkl", "tensorflow-eigen", "libtensorflow", "libtensorflow_cc"),
        "_tflow_select",
    ),
    compiled="tensorflow",
    core=("tensorflow", "tensorflow-base", "libtensorflow", "libtensorflow_cc"),
    stubs=("_tflow_select",),
    cpu_packages=("tensorflow-cpu",),
    cuda_packages=("tensorflow-gpu",),
    cuda_variants=("tensorflow-base * *cu*",),
    math_is_cpu=True,
    companions={
        "conda-forge": (
            "tensorflow =={version} cuda{major}{minor}*",
            "tensorflow-base =={version} cuda{major}{minor}*",
            "tensorflow-gpu =={version} cuda{major}{minor}*",
            "tensorflow-cpu <0",
        )
    },
    runtime_compiler=RuntimeCompiler("XLA", "ptxas", slower=True),
    gpu_libraries=("libtensorflow_cc.so*", "_pywrap_tensorflow_internal.so"),
    probe="tensorflow.py",
    cuda_fact="is_cuda_build",
    identity=(("CUDA", "cuda_version"), ("cuDNN", "cudnn_version"), ("code for", "cuda_compute_capabilities")),
)

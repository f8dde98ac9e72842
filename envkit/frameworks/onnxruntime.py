"""ONNX Runtime: conda-forge/onnxruntime-feedstock; build strings end in ``_cpu``, ``_cuda`` or ``_cuda129``."""

from __future__ import annotations

from envkit.frameworks.row import FrameworkRow

ROW = FrameworkRow(
    key="onnxruntime",
    title="ONNX Runtime",
    module="onnxruntime",
    packages=("onnxruntime", "onnxruntime-cpp", "onnxruntime-novec", "onnxruntime-gpu"),
    compiled="onnxruntime",
    core=("onnxruntime", "onnxruntime-cpp"),
    cuda_files=("onnxruntime/capi/libonnxruntime_providers_cuda.so",),
    gpu_libraries=("libonnxruntime_providers_cuda.so", "onnxruntime_providers_cuda.dll"),
    probe="onnxruntime.py",
    cuda_fact="providers",
    cuda_value="CUDAExecutionProvider",
    identity=(("providers", "providers"),),
)

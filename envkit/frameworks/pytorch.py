"""PyTorch: conda-forge/pytorch-cpu-feedstock 74dd3d4; channel pytorch, pytorch/builder f4cfb70."""

from __future__ import annotations

from envkit.frameworks.row import FrameworkRow, PackageLimit, RuntimeCompiler

ROW = FrameworkRow(
    key="pytorch",
    title="PyTorch",
    module="torch",
    packages=(
        *("pytorch", "libtorch", "pytorch-gpu", "pytorch-cpu", "torchvision", "torchaudio", "torchtext", "torchdata"),
        *("torchtriton", "triton", "torchcodec", "pytorch-cuda", "pytorch-mutex", "cpuonly"),
        *("torchvision-extra-decoders", "_pytorch_select"),
    ),
    compiled="pytorch",
    core=("pytorch", "libtorch"),
    stubs=("pytorch-mutex", "cpuonly", "_pytorch_select"),
    cpu_packages=("cpuonly", "pytorch-cpu"),
    cuda_packages=("pytorch-cuda", "pytorch-gpu"),
    toolkit="pytorch-cuda",
    cuda_variants=("pytorch * *cuda*",),
    metal_since="1.12",
    channels=("pytorch", "nvidia"),
    companions={
        "pytorch": (
            "torchvision * *cu{major}{minor}",
            "torchaudio * *cu{major}{minor}",
            "pytorch-cuda {cuda}.*",
            "pytorch-mutex * cuda",
            "cpuonly <0",
        ),
        "conda-forge": (
            "pytorch * cuda*",
            "libtorch * cuda*",
            "pytorch-gpu * cuda*",
            "torchvision * cuda*",
            "torchaudio * cuda*",
            "torchcodec * cuda*",
            "pytorch-cpu <0",
        ),
    },
    # https://github.com/pytorch/pytorch/issues/123097
    limits=(PackageLimit("pytorch", "2.6", "mkl", "2024.1", "iJIT_NotifyEvent"),),
    runtime_compiler=RuntimeCompiler("torch.compile (Triton)", "ptxas", slower=False),
    cuda_files=("torch/lib/libtorch_cuda.so", "torch/lib/libtorch_cuda_cu.so"),
    gpu_libraries=("libtorch_cuda.so", "libtorch_cuda_cu.so", "torch_cuda.dll", "torch_cuda_cu.dll"),
    wheels=("torch",),
    probe="pytorch.py",
    collective="pytorch_collective.py",
    nodes="pytorch_nodes.py",
    identity=(("CUDA", "cuda"), ("ROCm", "hip"), ("cuDNN", "cudnn"), ("NCCL", "nccl")),
)

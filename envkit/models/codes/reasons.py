"""Codes of reasons: why a build runs on a target as it does, or why a solution is refused."""

from __future__ import annotations

from envkit.models.fact import Blame, Code


def _reason(name: str, meaning: str, blames: Blame | None = None) -> Code:
    return Code("reason", name, meaning, blames)


ANY_HOST = _reason("any-host", "The same build serves every GPU.")
ARCH_LIST_UNKNOWN = _reason("arch-list-unknown", "It is not known which GPUs the build holds code for.")
CODE_INFERRED = _reason(
    "code-inferred", "Which GPUs the build holds code for is taken from a related build: its own bytes were not read."
)
CPU_BUILD = _reason("cpu-build", "The build computes on the CPU.")
CUDA_BUILD = _reason("cuda-build", "The solution holds a CUDA build although `--cuda none` was asked for.")
CUDA_COMPAT = _reason("cuda-compat", "The build runs through the cuda-compat libcuda that is loaded on this host.")
CUDA_UNKNOWN = _reason("cuda-unknown", "Neither record nor build string names the CUDA toolkit of the build.")
DRIVER_COVERS_TOOLKIT = _reason("driver-covers-toolkit", "The driver supports the toolkit of the build.")
DRIVER_NEWER_THAN_TABLES = _reason("driver-newer-than-tables", "The driver is newer than envkit's tables.")
DRIVER_TOO_OLD = _reason("driver-too-old", "The driver does not support the CUDA of the build.", "host")
DRIVER_UNKNOWN = _reason("driver-unknown", "The target names a GPU and no driver.")
FORWARD_COMPAT_POSSIBLE = _reason(
    "forward-compat-possible", "A cuda-compat package would let the driver run the build."
)
GLIBC_TOO_OLD = _reason("glibc-too-old", "The build needs a newer glibc.", "host")
GPU_DROPPED_BY_DRIVER = _reason("gpu-dropped-by-driver", "The driver branch no longer drives the GPU.", "host")
GPU_DROPPED_BY_TOOLKIT = _reason("gpu-dropped-by-toolkit", "The toolkit compiles nothing for the GPU.", "host")
GPU_NEEDS_NEWER_DRIVER = _reason("gpu-needs-newer-driver", "The driver is older than the GPU.", "host")
GPU_OPEN = _reason("gpu-open", "No GPU is named, so the driver alone decides.")
GPU_UNKNOWN = _reason("gpu-unknown", "The compute capability of the GPU is not known.")
HIDDEN_BY_CHANNEL = _reason("hidden-by-channel", "A channel of higher priority hides the build.")
JIT = _reason("jit", "The build holds only PTX for the GPU; the driver compiles it at the first start.")
JIT_NEEDS_NEWER_DRIVER = _reason(
    "jit-needs-newer-driver", "The build holds only PTX for the GPU, and the driver is too old to compile it.", "host"
)
LIBRARY_DROPPED_GPU = _reason("library-dropped-gpu", "A newer CUDA library no longer holds code for the GPU.", "host")
LIBRARY_LACKS_GPU = _reason("library-lacks-gpu", "A CUDA library is too old to hold code for the GPU.", "host")
LIBRARY_WITHOUT_CODE = _reason(
    "library-without-code", "A library that does not decide holds no code for the GPU: what needs it fails."
)
MACHINE_CODE = _reason("machine-code", "The build holds machine code for the GPU.")
MACOS_TOO_OLD = _reason("macos-too-old", "The build needs a newer macOS.", "host")
MICROARCH_TOO_LOW = _reason("microarch-too-low", "The build needs a newer x86-64 processor.", "host")
MINOR_COMPATIBILITY = _reason("minor-compatibility", "The build runs on an older driver of the same CUDA major.")
MIXED_CUDA = _reason("mixed-cuda", "The solution mixes builds of two CUDA majors.", "environment")
MKL_TOO_NEW = _reason("mkl-too-new", "This mkl and this PyTorch do not load together.", "environment")
MPS = _reason("mps", "The build runs on Apple's Metal.")
NO_GPU = _reason("no-gpu", "The build needs an NVIDIA GPU and the target has none that can be used.", "host")
NO_KERNEL_IMAGE = _reason("no-kernel-image", "The build holds no code for the GPU.", "host")
NO_MPS = _reason("no-mps", "Metal cannot be used on the target, so the build runs on the CPU.")
NOT_IN_SOLUTION = _reason("not-in-solution", "A framework that was asked for is missing from the solution.")
NOT_NEWEST_GPUS = _reason("not-newest-gpus", "The build holds no code for the newest GPUs of the driver.")
NVIDIA_TRACES = _reason("nvidia-traces", "The host shows signs of NVIDIA without a usable GPU.")
PARTLY_COVERED = _reason(
    "partly-covered", "A library holds a few of its kernels for the GPU and lacks the others.", "host"
)
RECORD_CONFLICT = _reason("record-conflict", "Dependencies and build string of the record disagree.")
RUNTIME_COMPILER = _reason("runtime-compiler", "The framework compiles at run time with a compiler of its own.")
WRONG_CUDA = _reason("wrong-cuda", "The build was compiled with another CUDA than the one asked for.")
WRONG_GPU_VENDOR = _reason("wrong-gpu-vendor", "The build is for AMD GPUs.", "host")
WRONG_PLATFORM = _reason("wrong-platform", "The build is for another platform.", "host")
WRONG_PYTHON = _reason("wrong-python", "The build is for another Python than the one asked for.")

"""Codes of findings about the interpreter of an environment and its frameworks."""

from __future__ import annotations

from envkit.models.fact import Blame, Code


def _finding(name: str, meaning: str, blames: Blame | None = "environment") -> Code:
    return Code("finding", name, meaning, blames)


def _seen(name: str, meaning: str) -> Code:
    return Code("seen", name, meaning)


IMPORT_CRASHED = _finding("import-crashed", "Importing a module crashed.")
IMPORT_FAILED = _finding("import-failed", "A module does not import.")
IMPORT_HUNG = _finding("import-hung", "Importing a module does not end.")
NO_PYTHON = _finding("no-python", "The environment has no Python, or the one that it links to is gone.", None)
PACKAGES_DISAGREE = _finding("packages-disagree", "A framework wants something of a package that it does not have.")
PYTHON_FOREIGN = _finding("python-foreign", "Something else answered in place of the environment's Python.")
PYTHON_BROKEN = _finding("python-broken", "The environment's Python does not start.")

ARCH_NOT_COVERED = _finding("arch-not-covered", "The build says that it holds no code for the GPU.")
COMPILE_FAILED = _finding("compile-failed", "Compiled functions do not work; the framework works without them.", None)
COMPUTE_FAILED = _finding("compute-failed", "A computation failed.")
CPU_BUILD = _finding("cpu-build", "A framework is a CPU build in an environment with CUDA builds.")
CUDA_LIBRARY_FAILED = _finding("cuda-library-failed", "A CUDA library failed.")
CUDA_LIBRARY_ELSEWHERE = _finding(
    "cuda-library-elsewhere", "A framework uses a CUDA library of the machine, not of the environment."
)
CUDNN_FAILED = _finding("cudnn-failed", "The cuDNN library failed.")
CUDNN_INCOMPLETE = _finding("cudnn-incomplete", "A library of cuDNN does not find another of them.")
DEADLINE = _finding("deadline", "The deadline passed before everything was checked.", "host")
DRIVER_FAILED = _finding("driver-failed", "A framework was not run on the GPU, since the driver level failed.", None)
FRAMEWORK_CRASHED = _finding("{framework}-crashed", "The framework crashed.")
FRAMEWORK_FAILED = _finding("{framework}-failed", "The framework's probe failed.")
FRAMEWORK_HUNG = _finding("{framework}-hung", "The framework did not end in time.")
GPUS_MISSING = _finding("gpus-missing", "A framework sees fewer GPUs than the driver.")
GPU_NOT_ASKED = _finding("gpu-not-asked", "A framework was run on the CPU only, as asked.", None)
NCCL_FAILED = _finding("nccl-failed", "NCCL failed.")
NOT_APPLICABLE = _finding("not-applicable", "A check does not apply here.", None)
NOTHING_COMPUTED = _finding("nothing-computed", "The probe of a framework came back without a single check.")
NO_GPU = _finding("no-gpu", "There is no NVIDIA GPU here.", None)
NO_KERNEL_IMAGE = _finding("no-kernel-image", "The build holds no code for the GPU.")
SEES_NO_GPU = _finding("{framework}-sees-no-gpu", "The driver computes on a GPU that the framework does not see.", None)
SHARED_MEMORY = _finding("shared-memory", "There is too little shared memory.", "host")
THROUGHPUT_FAILED = _finding("throughput-failed", "Measuring the throughput failed.", None)

ARCH_COVERED = _seen("arch-covered", "The build holds machine code for the GPU.")
ARCH_PTX = _seen("arch-ptx", "The build holds PTX that the driver compiles for the GPU.")
COMPUTED = _seen("computed", "A computation was done, perhaps with figures.")
COMPUTED_RIGHT = _seen("computed-right", "A computation came out right.")
COMPUTED_WRONG = _seen("computed-wrong", "A computation came out wrong.")
ENDED = _seen("ended", "How a probe ended that did not end well.")
FRAMEWORK_BUILD = _seen("framework-build", "The build of a framework as it describes itself.")
FRAMEWORK_DEVICE = _seen("framework-device", "A device as its framework names it.")
FRAMEWORK_STEP = _seen("framework-step", "A computation of a framework, and its device.")
MODULE_IMPORTS = _seen("module-imports", "A module imports.")
PYTHON_STARTS = _seen("python-starts", "The environment's Python starts.")

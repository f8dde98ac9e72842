"""Codes of findings about GPU code as it was read in an environment's libraries."""

from __future__ import annotations

from envkit.models.fact import Blame, Code


def _finding(name: str, meaning: str, blames: Blame | None = "environment") -> Code:
    return Code("finding", name, meaning, blames)


def _seen(name: str, meaning: str) -> Code:
    return Code("seen", name, meaning)


DRIVER_REFUSES = _finding("driver-refuses-build", "The driver does not run the CUDA that a package was built with.")
DUPLICATE_CUDA_LIBRARY = _finding("duplicate-cuda-library", "A library of CUDA is there more than once.", None)
GPU_CODE_MISSING = _finding("gpu-code-missing", "A package holds no code for the GPU, as its libraries were read.")
GPU_CODE_PARTLY = _finding("gpu-code-partly", "Some libraries of a package hold no code for the GPU.", None)
NOTHING_FOR_GPUS = _finding("nothing-for-gpus", "No library of the environment holds code for GPUs.", None)

DRIVER_RUNS = _seen("driver-runs-build", "The driver runs the CUDA that the packages were built with.")
GPU_CODE_COVERS = _seen("gpu-code-covers", "A package holds code for the GPU, as its libraries were read.")

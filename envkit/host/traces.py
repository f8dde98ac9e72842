"""Find variables that speak of NVIDIA: reasons to ask before choosing a CPU build."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["variable_traces"]

# Numbers in these are GPU indices, so 0 is a GPU; in the others they are counts.
_NAMING = (
    "NVIDIA_VISIBLE_DEVICES",
    "NVIDIA_DRIVER_CAPABILITIES",
    "NVIDIA_REQUIRE_CUDA",
    "CUDA_VERSION",
    "SLURM_JOB_GPUS",
    "SLURM_STEP_GPUS",
    "CUDA_VISIBLE_DEVICES",
)
_COUNTING = (
    "SLURM_GPUS",
    "SLURM_GPUS_ON_NODE",
    "SLURM_GPUS_PER_NODE",
    "SLURM_GPUS_PER_TASK",
    "SLURM_GPUS_PER_SOCKET",
    "SBATCH_GPUS",
)
_MENTIONING = ("SLURM_JOB_GRES", "SLURM_TRES_PER_NODE", "SLURM_TRES_PER_TASK", "SBATCH_GRES")
_NOTHING = frozenset({"", "-1", "none", "void", "nodevfiles"})


def variable_traces(env: Mapping[str, str]) -> tuple[str, ...]:
    """List variables of container images, Slurm and CUDA that speak of GPUs, as ``NAME=value``.

    A value that means "none" is no trace: orchestrators set ``NVIDIA_VISIBLE_DEVICES=void`` to give no GPU.
    """
    values = {name: env.get(name, "").strip() for name in (*_NAMING, *_COUNTING, *_MENTIONING)}
    telling = [
        *(name for name in _NAMING if values[name].lower() not in _NOTHING),
        *(name for name in _COUNTING if values[name].lower() not in _NOTHING | {"0"}),
        *(name for name in _MENTIONING if "gpu" in values[name].lower()),
    ]
    return tuple(f"{name}={_short(values[name])}" for name in telling)


def _short(value: str) -> str:
    return value if len(value) <= 80 else f"{value[:77]}..."

"""Variables that speak of NVIDIA: reasons to ask before a CPU build is taken."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["variable_traces"]

# Numbers in these name GPUs, so 0 is one; numbers in the others count them.
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
    """Variables of container images, of Slurm and of CUDA that tell of GPUs, as ``NAME=value``.

    A value that says "none" is no trace: ``NVIDIA_VISIBLE_DEVICES=void`` is how an orchestrator gives no GPU.
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

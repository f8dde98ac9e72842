"""Variables that speak of NVIDIA: reasons to ask before a CPU build is taken."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["variable_traces"]

_NVIDIA = ("NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES", "NVIDIA_REQUIRE_CUDA", "CUDA_VERSION")
_SLURM = (
    "SLURM_JOB_GPUS",
    "SLURM_STEP_GPUS",
    "SLURM_GPUS",
    "SLURM_GPUS_ON_NODE",
    "SLURM_GPUS_PER_NODE",
    "SLURM_GPUS_PER_TASK",
    "SLURM_GPUS_PER_SOCKET",
    "SBATCH_GRES",
    "SBATCH_GPUS",
)
_OFF = {"", "none", "void", "0"}


def variable_traces(env: Mapping[str, str]) -> tuple[str, ...]:
    """Variables of container images, of Slurm and of CUDA that tell of GPUs, as ``NAME=value``.

    A value that says "none" is no trace: ``NVIDIA_VISIBLE_DEVICES=void`` is how an orchestrator gives no GPU.
    """
    found = [f"{name}={_short(env[name])}" for name in _NVIDIA if env.get(name, "").strip().lower() not in _OFF]
    for name in (*_SLURM, "SLURM_TRES_PER_TASK", "SLURM_TRES_PER_NODE", "SLURM_JOB_GRES"):
        value = env.get(name, "").strip()
        counts = name in _SLURM and "GRES" not in name
        if value.lower() not in _OFF and (counts or "gpu" in value.lower()):
            found.append(f"{name}={_short(value)}")
    visible = env.get("CUDA_VISIBLE_DEVICES", "").strip()
    if visible and visible not in {"-1", "NoDevFiles"}:
        found.append(f"CUDA_VISIBLE_DEVICES={_short(visible)}")
    return tuple(found)


def _short(value: str) -> str:
    return value if len(value) <= 80 else f"{value[:77]}..."  # noqa: PLR2004

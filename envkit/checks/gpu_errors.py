"""What frameworks say when a GPU does not do: texts to codes, whom they blame, and the cure."""

from __future__ import annotations

from dataclasses import dataclass

from envkit.models.report import Blame

__all__ = ["GpuError", "classify_error"]


@dataclass(frozen=True, slots=True)
class GpuError:
    """One way in which a framework fails on a GPU."""

    code: str
    blames: Blame
    hint: str


_FIND = "Choose another build: `envkit find` shows what runs on this GPU and driver."
_WHO = "Look with `nvidia-smi` who uses the GPU, and wait or choose another with CUDA_VISIBLE_DEVICES."
_RESET = "Look for Xid messages in `dmesg`, then reset the GPU (`nvidia-smi --gpu-reset`) or reboot the host."

# In the order in which they are looked for: what explains more comes first.
_TEXTS: tuple[tuple[tuple[str, ...], GpuError], ...] = (
    (
        ("no kernel image", "cuda_error_no_binary_for_gpu", "no_binary_for_gpu", "invalid device function"),
        GpuError("no-kernel-image", "environment", f"The build has no code for this GPU. {_FIND}"),
    ),
    (
        (
            "unsupported toolchain",
            "cuda_error_unsupported_ptx_version",
            "on your system is too old",
            "driver version is insuff",
        ),
        GpuError("driver-too-old", "environment", f"The build is newer than the driver. Update it, or: {_FIND}"),
    ),
    (
        ("out of memory", "out_of_memory", "resource_exhausted", "cudnn_status_alloc_failed", "cublas_status_alloc"),
        GpuError("out-of-memory", "host", _WHO),
    ),
    (
        ("busy or unavailable", "devices are busy", "cuda_error_device_unavailable"),
        GpuError("device-unavailable", "host", _WHO),
    ),
    (("uncorrectable ecc", "ecc error"), GpuError("ecc-error", "host", _RESET)),
    (
        ("system not yet initialized", "system_not_ready"),
        GpuError("fabric-manager", "host", "Start the fabric manager."),
    ),
    (
        ("no space left on device", "shared memory segment"),
        GpuError("shared-memory", "host", "Give the container more shared memory: `--shm-size=8g` or `--ipc=host`."),
    ),
    (
        ("cudnn",),
        GpuError("cudnn-failed", "environment", "cuDNN does not fit: another copy of it may come first on the path."),
    ),
    (
        ("cublas", "cusolver", "cusparse", "cufft", "nvrtc", "nvjitlink"),
        GpuError(
            "cuda-library-failed", "environment", "A CUDA library does not fit: look for copies in LD_LIBRARY_PATH."
        ),
    ),
    (
        ("nccl",),
        GpuError("nccl-failed", "environment", "Set NCCL_DEBUG=INFO and run it again: NCCL then says what it lacks."),
    ),
)
_OTHER = GpuError("compute-failed", "environment", "See the findings above; else make the environment again.")


def classify_error(text: str) -> GpuError:
    """Classify an exception by its text."""
    lowered = text.lower()
    for needles, error in _TEXTS:
        if any(needle in lowered for needle in needles):
            return error
    return _OTHER

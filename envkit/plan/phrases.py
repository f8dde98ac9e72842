"""The decisive reason of a verdict in a few words, for a table."""

from __future__ import annotations

from envkit.checks.driver import needed_driver
from envkit.models.build import Verdict

__all__ = ["phrase"]

_WORDS = {
    "any-host": "runs anywhere",
    "arch-list-unknown": "its GPU code is not known",
    "cpu-build": "CPU build",
    "cuda-compat": "through cuda-compat",
    "cuda-unknown": "its CUDA is not known",
    "driver-covers-toolkit": "driver covers it",
    "driver-unknown": "driver not known",
    "glibc-too-old": "needs a newer glibc",
    "gpu-dropped-by-driver": "driver dropped this GPU",
    "gpu-dropped-by-toolkit": "CUDA dropped this GPU",
    "gpu-needs-newer-driver": "GPU needs a newer driver",
    "gpu-unknown": "GPU not known",
    "jit": "compiled at first start",
    "jit-needs-newer-driver": "PTX needs a newer driver",
    "library-dropped-gpu": "cuDNN dropped this GPU",
    "library-lacks-gpu": "cuBLAS, cuDNN lack this GPU",
    "macos-too-old": "needs a newer macOS",
    "microarch-too-low": "needs a newer CPU",
    "minor-compatibility": "older driver, same major",
    "mps": "Apple GPU (MPS)",
    "no-gpu": "no usable GPU",
    "no-kernel-image": "no code for this GPU",
    "no-mps": "MPS not usable",
    "wrong-gpu-vendor": "for AMD GPUs",
    "wrong-platform": "another platform",
    "wrong-python": "another Python",
}


def phrase(verdict: Verdict) -> str:
    """The first reason in at most thirty characters or so; the code itself where there are no words for it."""
    if not verdict.reasons:
        return ""
    reason = verdict.reasons[0]
    build = verdict.build
    if reason.code == "driver-too-old" and build.build_cuda is not None:
        return f"needs driver {needed_driver(build.build_cuda, build.record.subdir)}"
    if reason.code == "glibc-too-old" and build.needs.glibc:
        return f"needs glibc {build.needs.glibc}"
    return _WORDS.get(reason.code, reason.code)

"""Tell apart what frameworks say when a GPU does not do."""

from __future__ import annotations

import re

from envkit.models.codes import driver, frameworks
from envkit.models.codes.driver import DRIVER_TOO_OLD
from envkit.models.codes.frameworks import COMPUTE_FAILED
from envkit.models.fact import Blame, Code

# In the order in which they are looked for: what explains more comes first.
_TEXTS: tuple[tuple[tuple[str, ...], Code], ...] = (
    (
        ("no kernel image", "cuda_error_no_binary_for_gpu", "no_binary_for_gpu", "invalid device function"),
        frameworks.NO_KERNEL_IMAGE,
    ),
    (
        (
            "unsupported toolchain",
            "cuda_error_unsupported_ptx_version",
            "on your system is too old",
            "driver version is insuff",
        ),
        driver.DRIVER_TOO_OLD,
    ),
    (
        ("out of memory", "out_of_memory", "resource_exhausted", "cudnn_status_alloc_failed", "cublas_status_alloc"),
        driver.OUT_OF_MEMORY,
    ),
    (("busy or unavailable", "devices are busy", "cuda_error_device_unavailable"), driver.DEVICE_UNAVAILABLE),
    (("uncorrectable ecc", "ecc error"), driver.ECC_ERROR),
    (("system not yet initialized", "system_not_ready"), driver.FABRIC_MANAGER),
    (("no space left on device", "shared memory segment"), frameworks.SHARED_MEMORY),
    (("sublibrary_loading_failed",), frameworks.CUDNN_INCOMPLETE),
    (("cudnn",), frameworks.CUDNN_FAILED),
    (("cublas", "cusolver", "cusparse", "cufft", "nvrtc", "nvjitlink"), frameworks.CUDA_LIBRARY_FAILED),
    (("nccl",), frameworks.NCCL_FAILED),
)


def classify_error(text: str) -> tuple[Code, Blame | None]:
    """Return the code for an exception's text, and the blame: the build's where it is too new for the driver."""
    lowered = text.lower()
    code = next((code for needles, code in _TEXTS if any(n in lowered for n in needles)), COMPUTE_FAILED)
    return code, "environment" if code == DRIVER_TOO_OLD else code.blames


def missing_cudnn(stderr: str) -> str | None:
    """Return the library that cuDNN says on standard error that it misses, by the name that packages give it."""
    if found := re.search(r"Unable to load any of \{([^}]*)\}", stderr):  # cuDNN 9
        names = [name.strip() for name in found[1].split(",")]
        return next((name for name in names if re.fullmatch(r"\S+\.so\.\d+", name)), names[0])
    found = re.search(r"Could not (?:load library|locate) (libcudnn\S*?|cudnn\S*?)\.?(?:\s|$)", stderr)  # cuDNN 8
    return found[1] if found else None


def lacking_package(error: str) -> str | None:
    """Return the package in which an AttributeError or ImportError did not find what it looked for."""
    found = re.match(
        r"AttributeError: module '(\w+)[\w.]*' has no attribute|ImportError: cannot import name '\w+' from '(\w+)",
        error,
    )
    return found and (found[1] or found[2])

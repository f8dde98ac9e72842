"""The code of each answer of the driver.

Numbers and their meaning: ``CUresult`` in https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__TYPES.html.
"""

from __future__ import annotations

from collections.abc import Mapping

from envkit.models.codes import driver as codes
from envkit.models.fact import Code

CUDA_ERROR_OUT_OF_MEMORY, CUDA_ERROR_DEVICE_UNAVAILABLE, CUDA_ERROR_NO_DEVICE, CUDA_ERROR_INVALID_DEVICE = (
    2,
    46,
    100,
    101,
)

MEANINGS: Mapping[int, Code] = {
    CUDA_ERROR_OUT_OF_MEMORY: codes.OUT_OF_MEMORY,
    3: codes.DRIVER_NOT_INITIALIZED,
    34: codes.STUB_LIBRARY,
    36: codes.DRIVER_TOO_OLD,
    CUDA_ERROR_DEVICE_UNAVAILABLE: codes.DEVICE_UNAVAILABLE,
    CUDA_ERROR_NO_DEVICE: codes.NO_DEVICE,
    CUDA_ERROR_INVALID_DEVICE: codes.INVALID_DEVICE,
    102: codes.DEVICE_NOT_LICENSED,
    200: codes.INVALID_IMAGE,
    209: codes.NO_KERNEL_FOR_DEVICE,
    214: codes.ECC_ERROR,
    218: codes.PTX_INVALID,
    220: codes.NVLINK_ERROR,
    221: codes.JIT_COMPILER_MISSING,
    222: codes.PTX_TOO_NEW,
    223: codes.JIT_DISABLED,
    226: codes.CONTAINED_ERROR,
    303: codes.DRIVER_LIBRARY_INCOMPLETE,
    304: codes.OPERATING_SYSTEM_ERROR,
    700: codes.ILLEGAL_ADDRESS,
    701: codes.LAUNCH_OUT_OF_RESOURCES,
    702: codes.LAUNCH_TIMEOUT,
    716: codes.MISALIGNED_ADDRESS,
    719: codes.LAUNCH_FAILED,
    800: codes.NOT_PERMITTED,
    801: codes.NOT_SUPPORTED,
    802: codes.FABRIC_MANAGER,
    803: codes.DRIVER_MISMATCH,
    804: codes.COMPAT_NOT_SUPPORTED,
    805: codes.MPS_CONNECTION_FAILED,
    806: codes.MPS_RPC_FAILURE,
    807: codes.MPS_SERVER_NOT_READY,
    808: codes.MPS_MAX_CLIENTS,
    809: codes.MPS_MAX_CONNECTIONS,
    810: codes.MPS_CLIENT_TERMINATED,
    999: codes.DRIVER_UNKNOWN_ERROR,
}

LIBRARY_CAUSES = frozenset(
    {
        codes.COMPAT_NOT_SUPPORTED,
        codes.DRIVER_LIBRARY_INCOMPLETE,
        codes.DRIVER_MISMATCH,
        codes.DRIVER_NOT_INITIALIZED,
        codes.DRIVER_TOO_OLD,
        codes.DRIVER_UNKNOWN_ERROR,
        codes.INVALID_IMAGE,
        codes.NO_DEVICE,
        codes.PTX_INVALID,
        codes.PTX_TOO_NEW,
    }
)
"""Failures that another libcuda can cause: one that hides the driver's is named first."""

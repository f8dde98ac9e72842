"""Judge a call of the driver that answered a CUresult other than success."""

from __future__ import annotations

from collections.abc import Mapping

from envkit.checks.driver_codes import (
    CUDA_ERROR_DEVICE_UNAVAILABLE,
    CUDA_ERROR_INVALID_DEVICE,
    CUDA_ERROR_OUT_OF_MEMORY,
    LIBRARY_CAUSES,
    MEANINGS,
)
from envkit.checks.driver_run import DriverRun, driver_finding
from envkit.models.codes.driver import (
    CALL_ANSWERED,
    CALL_FAILED,
    DEVICE_EXCLUSIVE,
    DEVICE_PERMISSION,
    DEVICE_PROHIBITED,
    DRIVER_MISMATCH,
    DRIVER_TOO_OLD,
    LIBCUDA_SHADOWED,
    NO_DEVICE,
    OUT_OF_MEMORY,
    PINNED_MEMORY,
    STUB_LIBRARY,
    UVM_MISSING,
)
from envkit.models.codes.frameworks import NO_GPU
from envkit.models.fact import Blame, Code, Fact
from envkit.models.report import Finding

_BLURRED = (3, 100, 304, 999)  # what the driver answers when it may not open a node, or does not find it
_COMPUTE_MODES = {2: DEVICE_PROHIBITED, 3: DEVICE_EXCLUSIVE}


def call_finding(run: DriverRun, record: Mapping[str, object], where: Fact, data: Mapping[str, object]) -> Finding:
    """Judge a failed call.

    Args:
        run: The facts of the child.
        record: The check that the call belongs to.
        where: The check and its device.
        data: What scripts are told of them.
    """
    check, shadow = str(record.get("check")), run.shadow
    code = _code_of(run, record)
    if code == NO_DEVICE and (run.hidden or not run.traces):
        return _no_device(run, check, data)
    shown, blames = code, None
    more = {key: record.get(key) for key in ("call", "result", "result_name", "result_text")}
    answer = [record.get(key) for key in ("result_name", "result") if record.get(key) is not None]
    meaning = _meaning(run, record, code)
    fact = Fact(CALL_ANSWERED, where=where, meaning=meaning, call=record.get("call"), answer=answer, shadow=shadow)
    if shadow is not None and (code in LIBRARY_CAUSES or code == STUB_LIBRARY):
        blames = shadow.blames
        more |= run.library_data
        if code in LIBRARY_CAUSES:
            shown, fact = LIBCUDA_SHADOWED, Fact(LIBCUDA_SHADOWED, shadow=shadow, failure=fact)
    elif check == "ptx" and (foreign := run.foreign_files):
        shown, blames = LIBCUDA_SHADOWED, _ENVIRONMENT
        fact = Fact(LIBCUDA_SHADOWED, files=foreign, failure=fact)
    elif code == DRIVER_MISMATCH:
        more |= run.library_data
    return driver_finding(check, "fail", fact, shown, blames, {**data, **more})


_ENVIRONMENT: Blame = "environment"


def _meaning(run: DriverRun, record: Mapping[str, object], code: Code) -> Fact:
    """Return what the answer means, with the numbers that explain it."""
    if code == DRIVER_MISMATCH:
        versions = run.libcuda.get("library_version"), run.host.get("kernel_driver_version")
        return Fact(DRIVER_MISMATCH, library=versions[0], kernel=versions[1])
    if code == OUT_OF_MEMORY:
        device = run.device(record.get("device"))
        free, total = device.get("memory_free_bytes"), device.get("memory_total_bytes")
        return Fact(OUT_OF_MEMORY, free_bytes=free, total_bytes=total)
    if code == DRIVER_TOO_OLD:
        return Fact(DRIVER_TOO_OLD, lacks_function=record.get("result") is None)
    return Fact(code)


def _code_of(run: DriverRun, record: Mapping[str, object]) -> Code:
    """Return the code of an answer, which a mode of the device, a device node or a variable may explain."""
    result, check = record.get("result"), record.get("check")
    if result is None:
        return DRIVER_TOO_OLD  # there is no such function
    if not isinstance(result, int):
        return CALL_FAILED
    if check in ("init", "devices") and result == CUDA_ERROR_INVALID_DEVICE and run.hidden:
        return NO_DEVICE  # how older drivers answer a UUID that they do not know
    if check == "context" and result in (CUDA_ERROR_DEVICE_UNAVAILABLE, CUDA_ERROR_INVALID_DEVICE):
        mode = run.device(record.get("device")).get("compute_mode")
        if isinstance(mode, int) and mode in _COMPUTE_MODES:
            return _COMPUTE_MODES[mode]
    elif result == CUDA_ERROR_OUT_OF_MEMORY and record.get("call") == "cuMemAllocHost_v2":
        return PINNED_MEMORY
    elif check in ("init", "context") and result in _BLURRED:
        if _is_forbidden(run.nodes):
            return DEVICE_PERMISSION
        if run.nodes.get("/dev/nvidiactl", "ENOENT") is None and run.nodes.get("/dev/nvidia-uvm") is not None:
            return UVM_MISSING
    return MEANINGS.get(result, CALL_FAILED)


def _is_forbidden(nodes: Mapping[str, object]) -> bool:
    """Return whether the control nodes, or all GPUs, may not be opened.

    Batch systems forbid single GPUs on purpose.
    """
    forbidden = {node for node, error in nodes.items() if error in ("EACCES", "EPERM")}
    gpus = {node for node in nodes if node[-1:].isdigit()}
    return bool(forbidden & {"/dev/nvidiactl", "/dev/nvidia-uvm"}) or (bool(gpus) and gpus <= forbidden)


def _no_device(run: DriverRun, check: str, data: Mapping[str, object]) -> Finding:
    """Judge that there is no device: a setting hides them, or nothing here is of NVIDIA."""
    more = {**data, "traces": run.traces, "variables": dict(run.variables)}
    if run.hidden is not None:
        return driver_finding(check, "fail", run.hidden, data=more)
    return driver_finding(check, "skip", Fact(NO_GPU, path=run.library_path), data=more)

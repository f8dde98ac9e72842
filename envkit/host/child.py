"""Ask the drivers. Runs in a child process: a hang or crash does not affect us.

Run as ``python -I child.py ARGS`` by `envkit.host.driver`. It loads libraries that no process of the user should have
inside it (NVML, libcuda, py-rattler) and writes a JSON object a line: ``{"begin": stage}``, then ``{"stage": stage,
...}``. So after a crash or hang, the finished stages are known, and the one that was running.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

_FOLDERS = ("usr/lib/wsl/lib", "usr/lib64/nvidia", "usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu/tegra")


def _main() -> None:
    """Run the stages of the argument, a JSON object: ``stages``, ``path`` (sys.path), ``root``, ``timeout_s``."""
    args = json.loads(sys.argv[1])
    sys.path[:] = args["path"]
    # The parent kills this group at its limit; the alarm is for the case that the parent was killed.
    if hasattr(signal, "alarm"):
        signal.alarm(int(args["timeout_s"]) + 2)
    with contextlib.suppress(ImportError, ValueError, OSError):  # a crash in a driver leaves no core file
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Drivers print to stdout: reserve it for the answer.
    answer = os.dup(1)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    stages = {"machine": ask_machine, "nvml": ask_nvml, "libcuda": ask_libcuda, "health": ask_health}
    for stage in args["stages"]:
        _write(answer, {"begin": stage})
        _write(answer, {"stage": stage, **stages[stage](args["root"])})


def _write(descriptor: int, value: dict[str, Any]) -> None:
    line = (json.dumps(value) + "\n").encode()
    while line:
        line = line[os.write(descriptor, line) :]


def _loaded(name: str) -> str | None:
    """Return the file of a library in this process, links resolved."""
    with contextlib.suppress(OSError), open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
        for line in maps:
            path = line.rstrip("\n").partition("/")[2]
            if os.path.basename(path).startswith(name):
                return f"/{path}"
    return None


def _load(names: tuple[str, ...], root: str) -> ctypes.CDLL | None:
    """Load a library as programs find it, else from where distributions install it."""
    for name in (*names, *(os.path.join(root, folder, names[0]) for folder in _FOLDERS)):
        with contextlib.suppress(OSError):
            return ctypes.CDLL(name)
    return None


def ask_machine(_root: str) -> dict[str, Any]:
    """Return microarchitecture, C library and macOS, by py-rattler."""
    facts: dict[str, Any] = {"glibc": None, "microarch": None, "osx": None, "troubles": []}
    # Empty, so that py-rattler does not ask the NVIDIA driver: the next stages do, one at a time.
    os.environ["CONDA_OVERRIDE_CUDA"] = os.environ["CONDA_OVERRIDE_CUDA_ARCH"] = ""
    try:
        from rattler import VirtualPackage, VirtualPackageOverrides

        for package in VirtualPackage.detect(VirtualPackageOverrides.from_env()):
            generic = package.into_generic()
            name = generic.name.normalized
            if name == "__archspec":
                # The build string is empty or 0 for a microarchitecture that archspec does not know.
                build = str(generic.build_string)
                facts["microarch"] = build if build not in {"", "0"} else None
            elif name in {"__glibc", "__osx"}:
                facts[name[2:]] = str(generic.version)
    except Exception as error:  # noqa: BLE001 - its exceptions share no base
        facts["troubles"].append(f"py-rattler: {type(error).__name__}: {error}"[:300])
    return facts


class _Calls:
    """Failed driver calls of one question."""

    def __init__(self) -> None:
        self.errors: list[tuple[str, int | None, str]] = []

    @contextlib.contextmanager
    def guard(self, call: str) -> Iterator[None]:
        """Note the failure of a block instead of raising it."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - an NVMLError, or ctypes without the symbol
            number = getattr(error, "value", None)
            self.errors.append((call, number if isinstance(number, int) else None, str(error)[:300]))


def ask_nvml(root: str) -> dict[str, Any]:
    """Return driver, ceiling and GPUs, by NVML."""
    calls = _Calls()
    facts: dict[str, Any] = {"library": None, "driver_version": None, "driver_cuda": None, "devices": []}
    # pynvml finds a loaded library by its soname, also one from a folder that the loader does not search.
    _load(("libnvidia-ml.so.1",), root)
    facts["library"] = _loaded("libnvidia-ml.so")
    with calls.guard("import pynvml"):
        import pynvml  # type: ignore[import-untyped]

        before = len(calls.errors)
        with calls.guard("nvmlInit"):
            pynvml.nvmlInit()
        facts["library"] = _loaded("libnvidia-ml.so")
        if len(calls.errors) == before:
            with calls.guard("nvmlSystemGetDriverVersion"):
                facts["driver_version"] = _string(pynvml.nvmlSystemGetDriverVersion())
            # Version 2 asks libcuda and fails without it; version 1 would invent a number.
            with calls.guard("nvmlSystemGetCudaDriverVersion"):
                facts["driver_cuda"] = pynvml.nvmlSystemGetCudaDriverVersion_v2()
            count = 0
            with calls.guard("nvmlDeviceGetCount"):
                count = pynvml.nvmlDeviceGetCount()
            for index in range(count):
                with calls.guard(f"NVML, GPU {index}"):
                    facts["devices"].append(_nvml_device(pynvml, pynvml.nvmlDeviceGetHandleByIndex(index)))
    return {**facts, "errors": calls.errors}


def _nvml_device(nvml: Any, handle: Any, parent: dict[str, Any] | None = None) -> dict[str, Any]:
    ask = _Calls()  # an unsupported question leaves its fact unknown
    device: dict[str, Any] = {"name": None, "compute_capability": None, "memory_bytes": None, "uuid": None}
    with ask.guard("name"):
        device["name"] = _string(nvml.nvmlDeviceGetName(handle))
    with ask.guard("memory"):
        device["memory_bytes"] = int(nvml.nvmlDeviceGetMemoryInfo(handle).total)
    with ask.guard("uuid"):
        device["uuid"] = _string(nvml.nvmlDeviceGetUUID(handle))
    if parent:
        device["compute_capability"] = parent["compute_capability"]
        return device
    # This call decides: if it fails, report the device as failed.
    device["compute_capability"] = list(nvml.nvmlDeviceGetCudaComputeCapability(handle))
    device["mig_mode"], device["instances"] = False, []
    with ask.guard("mig"):
        device["mig_mode"] = nvml.nvmlDeviceGetMigMode(handle)[0] == 1
    if device["mig_mode"]:
        with ask.guard("mig devices"):
            for index in range(nvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
                with ask.guard("mig device"):  # instance numbers have gaps
                    instance = nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, index)
                    device["instances"].append(_nvml_device(nvml, instance, device))
    return device


def ask_health(root: str) -> dict[str, Any]:
    """Return memory errors and what slows each GPU down, by NVML; a question that it does not know stays unanswered."""
    calls = _Calls()
    devices: list[dict[str, Any]] = []
    _load(("libnvidia-ml.so.1",), root)
    with calls.guard("NVML"):
        import pynvml

        pynvml.nvmlInit()
        for index in range(pynvml.nvmlDeviceGetCount()):
            with calls.guard(f"NVML, GPU {index}"):
                handle = pynvml.nvmlDeviceGetHandleByIndex(index)
                device: dict[str, Any] = {"index": index}
                questions: dict[str, Callable[[], Any]] = {
                    "name": partial(lambda of: _string(pynvml.nvmlDeviceGetName(of)), handle),
                    "uuid": partial(lambda of: _string(pynvml.nvmlDeviceGetUUID(of)), handle),
                    "ecc_uncorrected": partial(
                        pynvml.nvmlDeviceGetTotalEccErrors,
                        handle,
                        pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED,
                        pynvml.NVML_VOLATILE_ECC,
                    ),
                    "remapped": partial(pynvml.nvmlDeviceGetRemappedRows, handle),
                    "slowed": partial(pynvml.nvmlDeviceGetCurrentClocksThrottleReasons, handle),
                }
                for name, question in questions.items():
                    with _Calls().guard(name):
                        device[name] = question()
                devices.append(device)
    return {"devices": devices, "errors": calls.errors}


def _string(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def ask_libcuda(root: str) -> dict[str, Any]:
    """Return ceiling and GPUs in CUDA's order, by the CUDA driver, and whether it starts."""
    calls = _Calls()
    facts: dict[str, Any] = {"library": None, "driver_version": None, "driver_cuda": None, "devices": []}
    names = ("nvcuda.dll",) if sys.platform == "win32" else ("libcuda.so.1", "libcuda.so")
    cuda = _load(names, root)
    if cuda is None:
        calls.errors.append((f"load {names[0]}", None, "not found"))
        return {**facts, "errors": calls.errors}
    facts["library"] = _loaded("libcuda.so")

    def call(name: str, *arguments: Any) -> None:
        result = getattr(cuda, name)(*arguments)
        if result:
            raise _CudaError(result, _cuda_text(cuda, result))

    number = ctypes.c_int()
    with calls.guard("cuDriverGetVersion"):
        call("cuDriverGetVersion", ctypes.byref(number))
        facts["driver_cuda"] = number.value
    before = len(calls.errors)
    with calls.guard("cuInit"):
        call("cuInit", 0)
    if len(calls.errors) == before:
        count = ctypes.c_int()
        with calls.guard("cuDeviceGetCount"):
            call("cuDeviceGetCount", ctypes.byref(count))
        for index in range(count.value):
            with calls.guard(f"libcuda, GPU {index}"):
                facts["devices"].append(_cuda_device(cuda, call, index))
    return {**facts, "errors": calls.errors}


class _CudaError(Exception):
    def __init__(self, value: int, text: str) -> None:
        super().__init__(text)
        self.value = value


def _cuda_text(cuda: ctypes.CDLL, number: int) -> str:
    text = ctypes.c_char_p()
    with contextlib.suppress(AttributeError):
        cuda.cuGetErrorString(number, ctypes.byref(text))
    return text.value.decode("utf-8", "replace") if text.value else "unknown error"


def _cuda_device(cuda: ctypes.CDLL, call: Callable[..., None], index: int) -> dict[str, Any]:
    ask = _Calls()
    handle = ctypes.c_int()
    call("cuDeviceGet", ctypes.byref(handle), index)
    major, minor = ctypes.c_int(), ctypes.c_int()
    call("cuDeviceGetAttribute", ctypes.byref(major), 75, handle)  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
    call("cuDeviceGetAttribute", ctypes.byref(minor), 76, handle)
    name, size, uuid = ctypes.create_string_buffer(256), ctypes.c_size_t(), (ctypes.c_ubyte * 16)()
    with ask.guard("name"):
        call("cuDeviceGetName", name, 256, handle)
    with ask.guard("memory"):
        call("cuDeviceTotalMem_v2", ctypes.byref(size), handle)
    with ask.guard("uuid"):
        call("cuDeviceGetUuid_v2" if hasattr(cuda, "cuDeviceGetUuid_v2") else "cuDeviceGetUuid", uuid, handle)
    digits = bytes(uuid).hex()
    parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
    return {
        "name": name.value.decode("utf-8", "replace") or None,
        "compute_capability": [major.value, minor.value],
        "memory_bytes": size.value or None,
        "uuid": f"GPU-{'-'.join(parts)}" if any(uuid) else None,
    }


if __name__ == "__main__":
    _main()
    os._exit(0)  # py-rattler may crash at interpreter exit

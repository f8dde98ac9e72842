"""Does this GPU compute? Drives the CUDA driver library directly and reports raw facts as one JSON document.

Run by a target environment's own Python, 3.7 or newer, with nothing but the standard library::

    PYTHON -I cuda_driver.py [--device N|UUID]... [--timeout S] [--nonce TEXT] [--trace FD]

It finds and loads libcuda the way every program of the environment does, says which file that was, then goes through
every device: context, PTX (``kernels.ptx`` beside this file), vector add, tiled matrix product, reduction with atomics,
bandwidth. Inputs have exactly known results, outputs are poisoned before and lie between guards, results are compared
bit for bit. It judges nothing: `envkit.checks.driver_probe` turns the facts into findings.

Standard output carries exactly one JSON document (what libraries print there goes to standard error). The trace, JSON
lines on a file descriptor, says what is about to happen and what is known so far, so that the parent can name the step
in which this process crashed or hung. Exit status: 0 when the document was written, whatever it says; 2 for wrong
usage.

The document::

    schema_version   1
    probe            "cuda_driver"
    python           version, executable, prefix
    answers          asked (all arguments), python (version, implementation): who answers, and to what
    variables        those of VARIABLES that are set
    host             kernel_driver_version, modules, nodes (path to null or errno name), pci_gpus, nvswitch,
                     mig_instances, mps, wsl, tegra, container
    libcuda          path and file (absent where none was loaded), kind (driver, stub, compat, wsl), owner (environment,
                     system), library_version, loaded_by (loader, path, override), through (LD_PRELOAD,
                     LD_LIBRARY_PATH, null), attempts (name, error), environment_copies, system_copies
    driver           driver_cuda ("12.8"), driver_cuda_number (12080)
    driver_files     files of the driver that were mapped after PTX had been compiled
    devices_count    how many CUDA sees
    devices          ordinal, name, uuid, compute_capability, memory_total_bytes, memory_free_bytes, mig, pci_bus_id,
                     compute_mode, ecc_enabled, integrated, sm_count, ...
    devices_missing  what --device named and is not there
    figures          ordinal (as text) to name to number: *_bytes_per_s, matmul_flop_per_s, context_s, module_load_s
    checks           check (version, init, devices, device, context, ptx, vadd, matmul, reduce, bandwidth, release),
                     device (ordinal or null), outcome (ok, error, wrong, skipped, late, bug), detail, elapsed_s; with
                     an error call, result, result_name, result_text

Driver API: https://docs.nvidia.com/cuda/cuda-driver-api/ (call names, CUresult and attribute numbers as in cuda.h).
"""

from __future__ import annotations

import argparse
import array
import contextlib
import ctypes
import errno
import functools
import glob
import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Sequence
from ctypes import POINTER, byref, c_char_p, c_float, c_int, c_size_t, c_ubyte, c_uint, c_uint64, c_void_p
from typing import Any, Tuple, TypeVar

T = TypeVar("T")

SCHEMA_VERSION = 1
PTX_FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "kernels.ptx")

# Variables that decide what CUDA sees; only these are reported, since an environment also holds secrets.
VARIABLES = (
    "CUDA_CACHE_DISABLE",
    "CUDA_DEVICE_ORDER",
    "CUDA_DISABLE_PTX_JIT",
    "CUDA_FORCE_PTX_JIT",
    "CUDA_MPS_PIPE_DIRECTORY",
    "CUDA_VISIBLE_DEVICES",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "NVIDIA_DRIVER_CAPABILITIES",
    "NVIDIA_VISIBLE_DEVICES",
)

# Where distributions, containers and WSL put the driver's libraries. The first group is where the loader looks anyway.
SYSTEM_DIRECTORIES = (
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/lib64",
    "/usr/lib",
    "/usr/lib/wsl/lib",
    "/usr/lib/aarch64-linux-gnu/tegra",
    "/usr/lib/aarch64-linux-gnu/nvidia",
    "/usr/lib64/nvidia",
    "/usr/lib/x86_64-linux-gnu/nvidia/current",
    "/usr/local/nvidia/lib64",
    "/run/opengl-driver/lib",
)

# CUresult numbers after which the context, or the process, is lost: "all existing device memory allocations from this
# context are invalid". Whatever is called next answers the same number.
STICKY = frozenset((214, 220, 226, 700, 702, 710, 714, 715, 716, 717, 718, 719, 999))

ATTRIBUTES = (  # CUdevice_attribute
    ("compute_mode", 20),
    ("ecc_enabled", 32),
    ("integrated", 18),
    ("sm_count", 16),
    ("clock_khz", 13),
    ("memory_clock_khz", 36),
    ("memory_bus_bits", 37),
    ("l2_cache_bytes", 38),
)
_L2_CACHE_BYTES = dict(ATTRIBUTES)["l2_cache_bytes"]

Shape = Tuple[Tuple[int, int], Tuple[int, int]]  # grid and block, x and y
CUdeviceptr = c_uint64
Handle = c_void_p

SIGNATURES = {
    "cuInit": (c_uint,),
    "cuDriverGetVersion": (POINTER(c_int),),
    "cuDeviceGetCount": (POINTER(c_int),),
    "cuDeviceGet": (POINTER(c_int), c_int),
    "cuDeviceGetName": (c_char_p, c_int, c_int),
    "cuDeviceGetUuid": (POINTER(c_ubyte * 16), c_int),
    "cuDeviceGetUuid_v2": (POINTER(c_ubyte * 16), c_int),
    "cuDeviceGetAttribute": (POINTER(c_int), c_int, c_int),
    "cuDeviceGetPCIBusId": (c_char_p, c_int, c_int),
    "cuDeviceTotalMem_v2": (POINTER(c_size_t), c_int),
    "cuDevicePrimaryCtxRetain": (POINTER(Handle), c_int),
    "cuDevicePrimaryCtxRelease": (c_int,),
    "cuDevicePrimaryCtxRelease_v2": (c_int,),
    "cuCtxSetCurrent": (Handle,),
    "cuCtxSynchronize": (),
    "cuMemGetInfo_v2": (POINTER(c_size_t), POINTER(c_size_t)),
    "cuModuleLoadDataEx": (POINTER(Handle), c_char_p, c_uint, POINTER(c_int), POINTER(c_void_p)),
    "cuModuleGetFunction": (POINTER(Handle), Handle, c_char_p),
    "cuModuleUnload": (Handle,),
    "cuMemAlloc_v2": (POINTER(CUdeviceptr), c_size_t),
    "cuMemFree_v2": (CUdeviceptr,),
    "cuMemAllocHost_v2": (POINTER(c_void_p), c_size_t),
    "cuMemFreeHost": (c_void_p,),
    "cuMemcpyHtoD_v2": (CUdeviceptr, c_void_p, c_size_t),
    "cuMemcpyDtoH_v2": (c_void_p, CUdeviceptr, c_size_t),
    "cuMemcpyDtoD_v2": (CUdeviceptr, CUdeviceptr, c_size_t),
    "cuMemsetD8_v2": (CUdeviceptr, c_ubyte, c_size_t),
    "cuEventCreate": (POINTER(Handle), c_uint),
    "cuEventRecord": (Handle, Handle),
    "cuEventSynchronize": (Handle,),
    "cuEventElapsedTime": (POINTER(c_float), Handle, Handle),
    "cuEventDestroy_v2": (Handle,),
    "cuLaunchKernel": (
        Handle,
        c_uint,
        c_uint,
        c_uint,
        c_uint,
        c_uint,
        c_uint,
        c_uint,
        Handle,
        POINTER(c_void_p),
        POINTER(c_void_p),
    ),
}

POISON = 0xFF  # as float32 a NaN, which no sum of the inputs is; as uint64 the largest number
COMPARED_ELEMENTS = 4096
COUNTED_ELEMENTS = 1 << 18  # after so many wrong ones nobody counts on
GUARD_BYTES = 256  # before and after each output: nobody may write there


class CallError(Exception):
    """A call of the driver API did not answer CUDA_SUCCESS, or the library does not have it (`result` None)."""

    def __init__(self, call: str, result: int | None, name: str | None, description: str | None) -> None:
        """Keep what was called and what it answered."""
        super().__init__("%s: %s" % (call, name or "not in this libcuda"))
        self.call = call
        self.result = result
        self.name = name
        self.description = description
        self.detail: dict[str, object] = {}


class WrongResult(Exception):  # noqa: N818 - a fact about the device, not an error of this script
    """The device answered something else than the exactly known result."""

    def __init__(self, detail: dict[str, object]) -> None:
        """Keep where and how the result differs."""
        super().__init__(detail.get("kind"))
        self.detail = detail


class OutOfTime(Exception):  # noqa: N818 - as above
    """The time of ``--timeout`` is used up: nothing new is started."""


class Trace:
    """JSON lines to the parent: what is about to happen (``step``), and what is known (``facts``, ``check``)."""

    def __init__(self, fd: int | None) -> None:
        """Write to the file descriptor `fd`; None writes nothing."""
        self.fd = fd
        self.check: str | None = None
        self.device: int | None = None

    def _write(self, line: dict[str, object]) -> None:
        if self.fd is None:
            return
        data = (json.dumps(line) + "\n").encode("ascii")
        try:
            while data:
                data = data[os.write(self.fd, data) :]
        except OSError:  # the parent is gone or does not read: that is no reason to stop
            self.fd = None

    def step(self, call: str) -> None:
        """`call` is about to be made; written first, so that it is there if the call never returns."""
        self._write({"step": {"check": self.check, "device": self.device, "call": call}})

    def facts(self, key: str, value: object) -> None:
        """`value` is known and will be in the document under `key`."""
        self._write({"facts": {key: value}})

    def record(self, record: dict[str, object]) -> None:
        """A check ended."""
        self._write({"check": record})


class Driver:
    """libcuda, with a trace line before each call and an exception for each result that is not CUDA_SUCCESS."""

    def __init__(self, library: ctypes.CDLL, trace: Trace, deadline: float | None) -> None:
        """Use the loaded `library`; start nothing after `deadline` (monotonic seconds, or None)."""
        self.library = library
        self.trace = trace
        self.deadline = deadline
        self.resolved: dict[str, Callable[..., int] | None] = {}
        self.unreleased: list[CallError] = []

    def function(self, name: str) -> Callable[..., int] | None:
        """The C function `name` with its signature, or None when this libcuda does not have it."""
        if name not in self.resolved:
            try:
                function = getattr(self.library, name)
            except AttributeError:
                function = None
            else:
                function.restype = c_int
                function.argtypes = SIGNATURES[name]
            self.resolved[name] = function
        return self.resolved[name]

    def call(self, name: str, *arguments: object) -> None:
        """Call `name`; anything but 0 is a CallError."""
        function = self.function(name)
        if function is None:
            raise CallError(name, None, None, "the library has no such function")
        self.trace.step(name)
        result = function(*arguments)
        if result != 0:
            raise CallError(name, result, *self.describe(result))

    def give_back(self, name: str, *arguments: object) -> None:
        """Call `name`, which releases something; keep its failure for later, so that it hides no earlier one."""
        try:
            self.call(name, *arguments)
        except CallError as error:
            self.unreleased.append(error)

    def describe(self, result: int) -> tuple[str | None, str | None]:
        """What the library itself says about a result: its name and its description, each None when unknown."""
        return self.text("cuGetErrorName", result), self.text("cuGetErrorString", result)

    def text(self, name: str, result: int) -> str | None:
        """What ``cuGetErrorName`` or ``cuGetErrorString`` says of `result`."""
        try:
            function = getattr(self.library, name)
        except AttributeError:
            return None
        function.restype = c_int
        function.argtypes = (c_int, POINTER(c_char_p))
        text = c_char_p()
        known = function(result, byref(text)) == 0
        return text.value.decode("utf-8", "replace") if known and text.value else None

    def check_time(self) -> None:
        """Stop here when the time is used up."""
        if self.deadline is not None and time.monotonic() >= self.deadline:
            raise OutOfTime


# --- the host, as files show it -------------------------------------------------------------------------------------


def read_text(path: str, limit: int = 1 << 16) -> str | None:
    """The text of a small file, at most `limit` characters, or None."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(limit)
    except OSError:
        return None


def try_open(path: str) -> str | None:
    """None when the device node can be opened, else the name of the errno (``ENOENT``, ``EPERM`` for a cgroup)."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error.errno))
    return None


def read_host(root: str) -> dict[str, object]:
    """What files say about NVIDIA on this machine, libcuda or not: device nodes, modules, PCI, MPS, WSL.

    /proc and /sys show the host's driver inside containers that have no GPU at all: "a module is loaded", no more.
    """

    def at(path: str) -> str:
        return root + path

    version = read_text(at("/proc/driver/nvidia/version"))
    module = read_text(at("/sys/module/nvidia/version"))
    line = re.search(r"(?:Kernel Module|Module for \S+) +(\d+(?:\.\d+)+)", version or "")
    gpus = []
    for path in sorted(glob.glob(at("/sys/bus/pci/devices/*/vendor"))):
        kind = (read_text(os.path.join(os.path.dirname(path), "class")) or "").strip()
        if (read_text(path) or "").strip() == "0x10de" and kind.startswith("0x03"):  # a display controller of NVIDIA
            gpus.append(os.path.basename(os.path.dirname(path)))
    nodes = {path: try_open(at(path)) for path in ("/dev/nvidiactl", "/dev/nvidia-uvm")}
    numbered = [path for path in glob.glob(at("/dev/nvidia*")) if re.search(r"/nvidia\d+$", path)]
    for path in sorted(numbered):
        nodes[path[len(root) :]] = try_open(path)
    pipe = os.environ.get("CUDA_MPS_PIPE_DIRECTORY") or at("/tmp/nvidia-mps")  # noqa: S108 - where MPS puts it
    return {
        "kernel_driver_version": (module or "").strip() or (line.group(1) if line else None),
        "modules": [name for name in ("nvidia", "nvidia_uvm") if os.path.isdir(at("/sys/module/" + name))],
        "nodes": nodes,
        "pci_gpus": gpus,
        "nvswitch": os.path.exists(at("/dev/nvidia-nvswitchctl")),
        "mig_instances": len(glob.glob(at("/proc/driver/nvidia/capabilities/gpu*/mig/gi*/ci*"))),
        "mps": os.path.exists(pipe),
        "wsl": os.path.exists(at("/dev/dxg")),
        "tegra": os.path.exists(at("/etc/nv_tegra_release")),
        "container": next((path for path in ("/.dockerenv", "/run/.containerenv") if os.path.exists(at(path))), None),
    }


# --- finding and naming libcuda -------------------------------------------------------------------------------------


class DlInfo(ctypes.Structure):
    """``Dl_info`` of dladdr(3)."""

    _fields_ = (("file", c_char_p), ("base", c_void_p), ("symbol", c_char_p), ("address", c_void_p))


def file_of(library: ctypes.CDLL) -> str | None:
    """The path from which the loaded `library` came, asked of the dynamic loader with dladdr(3); None if unknown."""
    with contextlib.suppress(AttributeError, OSError):
        dladdr = ctypes.CDLL(None).dladdr
        dladdr.restype = c_int
        dladdr.argtypes = (c_void_p, POINTER(DlInfo))
        info = DlInfo()
        if dladdr(ctypes.cast(library.cuInit, c_void_p), byref(info)) and info.file:
            return os.fsdecode(info.file)
    return next((path for path in driver_files() if os.path.basename(path).startswith("libcuda.")), None)


def driver_files() -> list[str]:
    """The files of the driver that are mapped into this process: libcuda and what it loaded, such as the compiler."""
    paths = {line.split(None, 5)[-1] for line in (read_text("/proc/self/maps", 1 << 22) or "").splitlines()}
    return sorted(path for path in paths if re.match(r"lib(cuda|nvidia-[\w-]+)\.so", os.path.basename(path)))


def environment_prefixes() -> list[str]:
    """The prefixes that are an environment; a system's own Python under /usr is not one."""
    prefixes = {sys.prefix, sys.base_prefix}
    prefixes.update(os.path.realpath(prefix) for prefix in tuple(prefixes))
    return sorted(prefix for prefix in prefixes if prefix not in ("/", "/usr", "/usr/local"))


def inside(path: str, directories: Sequence[str]) -> str | None:
    """The first of `directories` that holds `path`, or None."""
    for directory in directories:
        if directory and path.startswith(os.path.join(directory, "")):
            return directory
    return None


def name_library(path: str, root: str) -> dict[str, object]:
    """What a libcuda file is: whose, of which kind, and of which driver version, as its path shows."""
    file = os.path.realpath(path)
    # Jetson's is called libcuda.so.1.1, which is no version.
    version = re.search(r"libcuda\.so\.(\d{3,}\.\d+(?:\.\d+)*)$", file)
    kind = "driver"
    for name, pattern in (("stub", r"/stubs/"), ("compat", r"/(cuda-)?compat(_\w+)?/"), ("wsl", r"/usr/lib/wsl/")):
        if re.search(pattern, file) or re.search(pattern, path):
            kind = name
            break
    prefixes = environment_prefixes()
    owner = "environment" if inside(path, prefixes) or inside(file, prefixes) else "system"
    if owner == "environment" and inside(path, [root + directory for directory in SYSTEM_DIRECTORIES]):
        owner = "system"  # the path is the driver's, even where an environment lies above it
    return {
        "path": path,
        "file": file,
        "kind": kind,
        "owner": owner,
        "library_version": version.group(1) if version else None,
    }


def through(path: str) -> str | None:
    """Which variable of the loader led to `path`: LD_PRELOAD, LD_LIBRARY_PATH or None."""
    for item in re.split(r"[ :]+", os.environ.get("LD_PRELOAD", "")):
        if item and os.path.realpath(item) == os.path.realpath(path):
            return "LD_PRELOAD"
    for directory in os.environ.get("LD_LIBRARY_PATH", "").split(":"):
        if directory and os.path.realpath(directory) == os.path.realpath(os.path.dirname(path)):
            return "LD_LIBRARY_PATH"
    return None


def copies(root: str) -> dict[str, list[str]]:
    """All libcuda files on disk: those of the environment (stubs and compat included), and the system's."""
    patterns = ("lib", "lib64", "lib/stubs", "cuda-compat", "compat", "targets/*/lib", "targets/*/lib/stubs")
    found: dict[str, list[str]] = {"environment_copies": [], "system_copies": []}
    for prefix in environment_prefixes():
        for pattern in patterns:
            found["environment_copies"] += glob.glob(os.path.join(glob.escape(prefix), pattern, "libcuda.so*"))
    for directory in SYSTEM_DIRECTORIES:
        found["system_copies"] += glob.glob(os.path.join(root + directory, "libcuda.so.1"))
    for key, paths in found.items():  # links to the same file count once
        unique: dict[str, str] = {}
        for path in sorted(paths):
            unique.setdefault(os.path.realpath(path), path)
        found[key] = sorted(unique.values())
    return found


def load_libcuda(override: str | None, root: str, trace: Trace) -> tuple[ctypes.CDLL | None, dict[str, object]]:
    """Load libcuda as every program does, by its soname; where that fails, from where it is known to lie.

    Returns:
        The library, or None; and the facts: which file, whose, how it was found, and what was tried in vain.
    """
    attempts: list[dict[str, str]] = []
    facts: dict[str, object] = {"loaded_by": None, "through": None, "attempts": attempts}
    candidates = [("override", override)] if override else [("loader", "libcuda.so.1")]
    if not override:
        paths = [os.path.join(root + directory, "libcuda.so.1") for directory in SYSTEM_DIRECTORIES]
        candidates += [("path", path) for path in paths if os.path.exists(path)]
    library = None
    if sys.platform.startswith("linux"):
        for how, name in candidates:
            trace.step("dlopen " + name)
            try:
                library = ctypes.CDLL(name)
            except OSError as error:
                attempts.append({"name": name, "error": str(error)})
                continue
            facts["loaded_by"] = how
            path = file_of(library) or name
            facts.update(name_library(path, root))
            facts["through"] = through(path)
            break
    facts.update(copies(root))
    return library, facts


# --- buffers, kernels and what they must answer ---------------------------------------------------------------------


class Output:
    """A device buffer for results, poisoned, with a guard before and behind it."""

    def __init__(self, driver: Driver, stack: contextlib.ExitStack, expected: bytes) -> None:
        """Allocate room for the `expected` bytes; `stack` frees."""
        self.driver = driver
        self.expected = expected
        self.size_bytes = size_bytes = len(expected)
        self.base = allocate(driver, stack, size_bytes + 2 * GUARD_BYTES)
        self.address = self.base + GUARD_BYTES

    def poison(self) -> None:
        """Fill buffer and guards with what no right result holds."""
        self.driver.call("cuMemsetD8_v2", self.base, POISON, self.size_bytes + 2 * GUARD_BYTES)

    def compare(self, typecode: str) -> None:
        """Read back and compare bit for bit; a difference, or a touched guard, is a WrongResult."""
        total = self.size_bytes + 2 * GUARD_BYTES
        host = ctypes.create_string_buffer(total)  # zeros: a copy that never happens is caught like stale zeros
        self.driver.call("cuMemcpyDtoH_v2", ctypes.addressof(host), self.base, total)
        found = host.raw
        compare(self.expected, found[GUARD_BYTES:-GUARD_BYTES], typecode)
        guard = bytes((POISON,)) * GUARD_BYTES
        for where, piece in (("before", found[:GUARD_BYTES]), ("behind", found[-GUARD_BYTES:])):
            if piece != guard:
                raise WrongResult({"kind": "overrun", "where": where})


def compare(expected: bytes, found: bytes, typecode: str) -> None:
    """Compare two byte strings of equal length as arrays of `typecode`; a difference is a WrongResult."""
    if expected == found:
        return
    want, have = array.array(typecode), array.array(typecode)
    want.frombytes(expected)
    have.frombytes(found)
    size = want.itemsize
    wrong: list[int] = []
    for start in range(0, len(want), COMPARED_ELEMENTS):  # whole pieces first: a copy has millions of elements
        stop = min(start + COMPARED_ELEMENTS, len(want))
        if expected[start * size : stop * size] != found[start * size : stop * size]:
            piece = range(start, stop)
            wrong += [i for i in piece if expected[i * size : i * size + size] != found[i * size : i * size + size]]
        if len(wrong) >= COUNTED_ELEMENTS:
            break
    kind = "wrong"
    for name, filler in (("unwritten", POISON), ("zeros", 0)):
        pattern = bytes((filler,)) * size
        if all(found[i * size : i * size + size] == pattern for i in wrong):
            kind = name
    first = wrong[0]
    raise WrongResult(
        {
            "kind": kind,
            "elements_count": len(want),
            "wrong_count": len(wrong),
            "counted_all": len(wrong) < COUNTED_ELEMENTS,
            "first_wrong": first,
            "expected": repr(want[first]),
            "found": repr(have[first]),
        },
    )


def allocate(driver: Driver, stack: contextlib.ExitStack, size_bytes: int) -> int:
    """Device memory that `stack` frees; returns its address."""
    pointer = CUdeviceptr()
    driver.call("cuMemAlloc_v2", byref(pointer), size_bytes)
    stack.callback(driver.give_back, "cuMemFree_v2", pointer.value)
    return pointer.value


def upload(driver: Driver, stack: contextlib.ExitStack, values: array.array[Any]) -> int:
    """A device copy of an array; returns its address."""
    address = allocate(driver, stack, len(values) * values.itemsize)
    pointer, _ = values.buffer_info()
    driver.call("cuMemcpyHtoD_v2", address, pointer, len(values) * values.itemsize)
    return address


def vadd_case(n: int) -> tuple[array.array[float], array.array[float], bytes]:
    """Inputs of vadd and the bytes of its result: whole numbers below 2**24, so that float32 is exact."""
    a = array.array("f", [i % 4099 - 2000 for i in range(n)])
    b = array.array("f", [i * 7 % 8191 + 4096 for i in range(n)])
    out = array.array("f", [i % 4099 - 2000 + i * 7 % 8191 + 4096 for i in range(n)])
    return a, b, out.tobytes()


def matmul_case(n: int) -> tuple[array.array[float], array.array[float], bytes]:
    """Inputs of matmul and the bytes of its result, for n up to 2**17.

    a[i][k] depends on i mod 13 and b[k][j] on j mod 11, so 143 dot products make the whole result: the processor
    computes it in milliseconds. Whole numbers up to 6 and 5: each partial sum is below 2**24 and exact in float32.
    """
    rows = [[(i * 3 + k * 5) % 13 - 6 for k in range(n)] for i in range(13)]
    columns = [[(k * 7 + j * 2) % 11 - 5 for k in range(n)] for j in range(11)]
    dots = [[float(sum(x * y for x, y in zip(row, column))) for column in columns] for row in rows]

    def repeated(pattern: list[Any], count: int) -> list[Any]:
        return (pattern * (count // len(pattern) + 1))[:count]

    a_rows = [array.array("f", row).tobytes() for row in rows]
    out_rows = [array.array("f", repeated(line, n)).tobytes() for line in dots]
    b_rows = [array.array("f", repeated([columns[j][k] for j in range(11)], n)).tobytes() for k in range(n)]
    a, b = array.array("f"), array.array("f")
    a.frombytes(b"".join(repeated(a_rows, n)))
    b.frombytes(b"".join(b_rows))
    return a, b, b"".join(repeated(out_rows, n))


def reduce_case(n: int) -> tuple[array.array[int], bytes]:
    """Input of reduce and its sum, added to what poison the result starts with, modulo 2**64."""
    values = array.array("I", [i * 2654435761 & 0xFFFFFFFF for i in range(n)])
    start = int.from_bytes(bytes((POISON,)) * 8, sys.byteorder)
    return values, ((start + sum(values)) % 2**64).to_bytes(8, sys.byteorder)


class Timer:
    """Two events on the default stream: milliseconds as the device counts them."""

    def __init__(self, driver: Driver, stack: contextlib.ExitStack) -> None:
        """Make the events; `stack` destroys them."""
        self.driver = driver
        self.events = []
        for _ in range(2):
            event = Handle()
            driver.call("cuEventCreate", byref(event), 0)
            stack.callback(driver.give_back, "cuEventDestroy_v2", event)
            self.events.append(event)

    def seconds(self, work: Callable[[], None]) -> float:
        """Seconds that the device spent in what `work` submits."""
        start, stop = self.events
        self.driver.call("cuEventRecord", start, None)
        work()
        self.driver.call("cuEventRecord", stop, None)
        self.driver.call("cuEventSynchronize", stop)
        milliseconds = c_float()
        self.driver.call("cuEventElapsedTime", byref(milliseconds), start, stop)
        return milliseconds.value / 1e3


def launch(driver: Driver, function: Handle, shape: Shape, arguments: Sequence[Any]) -> None:
    """Launch a kernel on the default stream; `arguments` are ctypes values in the order of its parameters."""
    pointers = (c_void_p * len(arguments))(*[ctypes.addressof(argument) for argument in arguments])
    (across, down), (width, height) = shape
    driver.call("cuLaunchKernel", function, across, down, 1, width, height, 1, 0, None, pointers, None)


def per_second(amount: int, seconds: float) -> float | None:
    """`amount` for each second, or None where the clock saw nothing."""
    return amount / seconds if seconds > 0 else None


class Device:
    """One device and the checks that it goes through."""

    def __init__(self, driver: Driver, ordinal: int, options: argparse.Namespace) -> None:
        """The device that libcuda counts as `ordinal` (after CUDA_VISIBLE_DEVICES)."""
        self.driver = driver
        self.ordinal = ordinal
        self.options = options
        self.handle = 0
        self.functions: dict[str, Handle] = {}
        self.figures: dict[str, float | None] = {}

    def describe(self) -> dict[str, Any]:
        """Name, UUID, compute capability, memory, modes; what this driver cannot say is None."""
        driver = self.driver
        handle = c_int()
        driver.call("cuDeviceGet", byref(handle), self.ordinal)
        self.handle = handle.value
        name = ctypes.create_string_buffer(256)
        driver.call("cuDeviceGetName", name, len(name), self.handle)
        total = c_size_t()
        driver.call("cuDeviceTotalMem_v2", byref(total), self.handle)
        capability = "%d.%d" % (self.attribute(75), self.attribute(76))
        physical, visible = self.uuid("cuDeviceGetUuid"), self.uuid("cuDeviceGetUuid_v2")
        text = name.value.decode("utf-8", "replace")
        # On a MIG instance the first call answers the UUID of the whole GPU and the second that of the instance.
        mig = bool(re.search(r"\bMIG\b", text)) or (None not in (physical, visible) and physical != visible)
        uuid = visible or physical
        facts: dict[str, Any] = {
            "ordinal": self.ordinal,
            "name": text,
            "uuid": None if uuid is None else ("MIG-" if mig else "GPU-") + uuid,
            "compute_capability": capability,
            "memory_total_bytes": total.value,
            "memory_free_bytes": None,
            "mig": mig,
            "pci_bus_id": self.bus_id(),
        }
        for key, number in ATTRIBUTES:
            facts[key] = None
            with contextlib.suppress(CallError):
                facts[key] = self.attribute(number)
        return facts

    def attribute(self, number: int) -> int:
        """One attribute of the device."""
        value = c_int()
        self.driver.call("cuDeviceGetAttribute", byref(value), number, self.handle)
        return value.value

    def uuid(self, call: str) -> str | None:
        """The UUID that `call` answers as 8-4-4-4-12 hex digits; None when this driver does not have the call."""
        data = (c_ubyte * 16)()
        try:
            self.driver.call(call, byref(data), self.handle)
        except CallError:
            return None
        digits = bytes(data).hex()
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def bus_id(self) -> str | None:
        """The PCI address, or None."""
        text = ctypes.create_string_buffer(64)
        try:
            self.driver.call("cuDeviceGetPCIBusId", text, len(text), self.handle)
        except CallError:
            return None
        return text.value.decode("ascii", "replace")

    def context(self, stack: contextlib.ExitStack) -> dict[str, object]:
        """Retain the primary context, which is the one that frameworks use, and make it current."""
        self.driver.check_time()
        started = time.monotonic()
        context = Handle()
        self.driver.call("cuDevicePrimaryCtxRetain", byref(context), self.handle)
        release = "cuDevicePrimaryCtxRelease_v2"
        if self.driver.function(release) is None:  # before CUDA 11
            release = "cuDevicePrimaryCtxRelease"
        stack.callback(self.driver.give_back, release, self.handle)
        self.driver.call("cuCtxSetCurrent", context)
        stack.callback(self.driver.give_back, "cuCtxSetCurrent", None)
        free, total = c_size_t(), c_size_t()
        self.driver.call("cuMemGetInfo_v2", byref(free), byref(total))
        self.figures["context_s"] = time.monotonic() - started
        return {"memory_free_bytes": free.value}

    def load(self, stack: contextlib.ExitStack) -> dict[str, object]:
        """Compile and load the PTX; the compiler's logs are kept whether it succeeds or not."""
        with open(self.options.ptx, "rb") as file:
            text = file.read()
        started = time.monotonic()
        info, error = ctypes.create_string_buffer(16384), ctypes.create_string_buffer(16384)
        # CUjit_option: info log and its size, error log and its size, verbose. A value is passed in a pointer's place.
        options = (c_int * 5)(3, 4, 5, 6, 12)
        values = (c_void_p * 5)(ctypes.addressof(info), len(info), ctypes.addressof(error), len(error), 1)
        module = Handle()
        detail: dict[str, object] = {}
        try:
            self.driver.call("cuModuleLoadDataEx", byref(module), text, len(options), options, values)
        except CallError as failure:
            failure.detail = detail
            raise
        finally:
            detail["jit_info_log"] = info.value.decode("utf-8", "replace").strip()
            detail["jit_error_log"] = error.value.decode("utf-8", "replace").strip()
        stack.callback(self.driver.give_back, "cuModuleUnload", module)
        for name in ("vadd", "matmul", "reduce"):
            function = Handle()
            self.driver.call("cuModuleGetFunction", byref(function), module, name.encode())
            self.functions[name] = function
        self.figures["module_load_s"] = time.monotonic() - started
        return detail

    def release(self, stack: contextlib.ExitStack) -> None:
        """Give back everything; the first failure to do so, now or in an earlier check, is raised."""
        unreleased = self.driver.unreleased
        stack.close()
        self.driver.unreleased = []
        if unreleased:
            raise unreleased[0]

    def run_kernel(self, name: str, shape: Shape, arguments: Sequence[Any], output: Output, typecode: str) -> float:
        """Launch `name` once, compare, then again between events, compare again; returns seconds for a launch."""
        driver = self.driver
        with contextlib.ExitStack() as stack:
            timer = Timer(driver, stack)
            seconds = 0.0
            for _ in range(2):  # the first pays for what is loaded lazily
                driver.check_time()
                output.poison()
                seconds = timer.seconds(lambda: launch(driver, self.functions[name], shape, arguments))
                driver.call("cuCtxSynchronize")
                output.compare(typecode)
        return seconds

    def vadd(self) -> dict[str, object]:
        """Vector add: every thread writes one element, the last block is not full."""
        n = self.options.vadd_elements
        a, b, expected = vadd_case(n)
        with contextlib.ExitStack() as stack:
            output = Output(self.driver, stack, expected)
            addresses = [upload(self.driver, stack, a), upload(self.driver, stack, b), output.address]
            arguments = [CUdeviceptr(address) for address in addresses] + [c_uint(n)]
            seconds = self.run_kernel("vadd", (((n + 255) // 256, 1), (256, 1)), arguments, output, "f")
        self.figures["vadd_bytes_per_s"] = per_second(12 * n, seconds)
        return {"elements_count": n}

    def matmul(self) -> dict[str, object]:
        """Matrix product through shared memory and barriers; tiles at the edge are not full."""
        n = self.options.matmul_size
        a, b, expected = matmul_case(n)
        tiles = (n + 15) // 16
        with contextlib.ExitStack() as stack:
            output = Output(self.driver, stack, expected)
            addresses = [upload(self.driver, stack, a), upload(self.driver, stack, b), output.address]
            arguments = [CUdeviceptr(address) for address in addresses] + [c_uint(n)]
            seconds = self.run_kernel("matmul", ((tiles, tiles), (16, 16)), arguments, output, "f")
        self.figures["matmul_flop_per_s"] = per_second(2 * n**3, seconds)
        return {"size": n}

    def reduce(self) -> dict[str, object]:
        """Sum of whole numbers through shared memory and one atomic for each block."""
        n = self.options.reduce_elements
        values, expected = reduce_case(n)
        blocks = min(64, (n + 255) // 256)  # fewer threads than elements, so that the strides are used
        with contextlib.ExitStack() as stack:
            output = Output(self.driver, stack, expected)
            arguments = [CUdeviceptr(upload(self.driver, stack, values)), CUdeviceptr(output.address), c_uint(n)]
            self.run_kernel("reduce", ((blocks, 1), (256, 1)), arguments, output, "Q")
        return {"elements_count": n}

    def bandwidth(self) -> dict[str, object]:
        """Copy host -> device -> device -> host through pinned memory, time each way, compare every byte."""
        driver = self.driver
        free, total = c_size_t(), c_size_t()
        driver.call("cuMemGetInfo_v2", byref(free), byref(total))
        size = max(4096, min(self.options.copy_bytes, free.value // 8))
        pattern = bytes(range(251))  # a prime period: a copy that is shifted by a page or a line differs
        expected = (pattern * (size // len(pattern) + 1))[:size]
        best: dict[str, float] = {}
        with contextlib.ExitStack() as stack:
            pinned = c_void_p()
            driver.call("cuMemAllocHost_v2", byref(pinned), size)
            stack.callback(driver.give_back, "cuMemFreeHost", pinned)
            first, second = allocate(driver, stack, size), allocate(driver, stack, size)
            timer = Timer(driver, stack)
            ways = (
                ("host_to_device_bytes_per_s", "cuMemcpyHtoD_v2", first, pinned.value),
                ("device_copy_bytes_per_s", "cuMemcpyDtoD_v2", second, first),
                ("device_to_host_bytes_per_s", "cuMemcpyDtoH_v2", pinned.value, second),
            )
            for _ in range(self.options.repeats):
                driver.check_time()
                ctypes.memmove(pinned, expected, size)
                for address in (first, second):
                    driver.call("cuMemsetD8_v2", address, POISON, size)
                for key, call, target, source in ways:
                    if key == "device_to_host_bytes_per_s":
                        ctypes.memset(pinned, POISON, size)
                    seconds = timer.seconds(functools.partial(driver.call, call, target, source, size))
                    best[key] = max(best.get(key) or 0.0, per_second(size, seconds) or 0.0)
                driver.call("cuCtxSynchronize")
                found = ctypes.string_at(pinned, size)
                if found != expected:
                    compare(expected, found, "B")
        best["device_copy_bytes_per_s"] = self.copy_rate(min(free.value // 8, 1 << 30))
        self.figures.update((key, value or None) for key, value in best.items())
        return {"size_bytes": size}

    def copy_rate(self, at_most: int) -> float:
        """Bytes that a copy on the device reads and writes in a second, `at_most` so many at once.

        A copy must be larger than the cache, and several are timed as one: starting one takes as long as 16 MiB.
        """
        driver, cache = self.driver, 0
        with contextlib.suppress(CallError):
            cache = self.attribute(_L2_CACHE_BYTES)
        size = max(4096, min(max(self.options.copy_bytes, 4 * cache), at_most))
        copies = 4 if cache else 1
        best = 0.0
        with contextlib.ExitStack() as stack:
            first, second = allocate(driver, stack, size), allocate(driver, stack, size)
            driver.call("cuMemsetD8_v2", first, POISON, size)
            timer = Timer(driver, stack)

            def copy() -> None:
                for _ in range(copies):
                    driver.call("cuMemcpyDtoD_v2", second, first, size)

            for _ in range(1 + self.options.repeats):  # the first use of a buffer is slower
                driver.check_time()
                best = max(best, per_second(2 * size * copies, timer.seconds(copy)) or 0.0)
        return best


# --- the run --------------------------------------------------------------------------------------------------------


class Run:
    """One run: the document that grows, and how a step that fails becomes a record instead of an end."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Prepare an empty document."""
        self.options = options
        self.trace = Trace(options.trace)
        self.deadline = time.monotonic() + options.timeout if options.timeout else None
        self.checks: list[dict[str, Any]] = []
        self.devices: list[dict[str, Any]] = []
        self.figures: dict[str, dict[str, float | None]] = {}
        self.document: dict[str, Any] = {"schema_version": SCHEMA_VERSION, "probe": "cuda_driver"}
        self.document.update({"checks": self.checks, "devices": self.devices, "figures": self.figures})

    def know(self, key: str, value: object) -> None:
        """Put a fact into the document and the trace."""
        self.document[key] = value
        self.trace.facts(key, value)

    def attempt(self, check: str, device: int | None, work: Callable[[], T]) -> tuple[bool, T | None]:
        """Run `work` as the step `check` and record how it ended; returns (whether it did well, what it returned).

        A record: ``outcome`` is ``ok``, ``error`` (a call answered a CUresult), ``wrong`` (the device computed
        something else), ``late`` (no time left) or ``bug`` (this script failed).
        """
        self.trace.check, self.trace.device = check, device
        record: dict[str, Any] = {"check": check, "device": device, "outcome": "ok", "detail": {}}
        started = time.monotonic()
        value = None
        try:
            value = work()
            if isinstance(value, dict):
                record["detail"] = dict(value)
        except CallError as error:
            record.update({"outcome": "error", "call": error.call, "result": error.result})
            record.update({"result_name": error.name, "result_text": error.description})
            record["detail"] = error.detail
        except WrongResult as error:
            record.update({"outcome": "wrong", "detail": error.detail})
        except OutOfTime:
            record["outcome"] = "late"
        except Exception as error:  # noqa: BLE001 - the other devices and checks still deserve an answer
            record.update({"outcome": "bug", "exception": "%s: %s" % (type(error).__name__, error)})
        record["elapsed_s"] = round(time.monotonic() - started, 6)
        self.checks.append(record)
        self.trace.record(record)
        return record["outcome"] == "ok", value

    def skip(self, check: str, device: int, because: str) -> None:
        """Record that `check` could not be tried since `because` did not do well."""
        record: dict[str, Any] = {
            "check": check,
            "device": device,
            "outcome": "skipped",
            "because": because,
            "detail": {},
        }
        self.checks.append(record)
        self.trace.record(record)

    def run(self) -> None:
        """All of it."""
        options = self.options
        self.trace.check = "host"
        self.trace.step("open the device nodes")
        version = "%d.%d.%d" % sys.version_info[:3]
        self.know("python", {"version": version, "executable": sys.executable, "prefix": sys.prefix})
        self.know("variables", {name: os.environ[name] for name in VARIABLES if name in os.environ})
        self.know("host", read_host(options.root))
        # A compiled kernel in the user's cache would hide a driver that cannot compile any more.
        os.environ["CUDA_CACHE_DISABLE"] = "1"
        # Lazy loading would put what the compiler has to say off to the first launch, without its log.
        os.environ["CUDA_MODULE_LOADING"] = "EAGER"
        self.trace.check = "library"
        library, facts = load_libcuda(options.libcuda, options.root, self.trace)
        self.know("libcuda", facts)
        if library is None:
            return
        driver = Driver(library, self.trace, self.deadline)
        known, number = self.attempt("version", None, lambda: driver_number(driver))  # answers without cuInit
        if known and number is not None:
            driver_cuda = "%d.%d" % (number // 1000, number % 1000 // 10)
            self.know("driver", {"driver_cuda": driver_cuda, "driver_cuda_number": number})
        if not self.attempt("init", None, lambda: driver.call("cuInit", 0))[0]:
            return
        counted, count = self.attempt("devices", None, lambda: device_count(driver))
        if counted and count is not None:
            self.know("devices_count", count)
            self.run_devices(driver, count)

    def run_devices(self, driver: Driver, count: int) -> None:
        """Describe all devices, then check those that were asked for."""
        chosen: list[tuple[Device, dict[str, Any]]] = []
        wanted = list(self.options.device)
        for ordinal in range(count):
            device = Device(driver, ordinal, self.options)
            _, facts = self.attempt("device", ordinal, device.describe)
            names = {str(ordinal)}
            if facts is not None:
                self.devices.append(facts)
                names.update((facts["uuid"] or "", (facts["uuid"] or "")[4:]))
            asked = [name for name in self.options.device if name in names]
            if self.options.device and not asked:
                self.checks[-1]["asked"] = False
            wanted = [name for name in wanted if name not in names]
            if facts is not None and (asked or not self.options.device):
                chosen.append((device, facts))
        self.know("devices", self.devices)
        self.know("devices_missing", wanted)
        for device, facts in chosen:
            self.run_device(device, facts)

    def run_device(self, device: Device, facts: dict[str, Any]) -> None:
        """All checks of one device; whatever happens, everything taken is given back."""
        ordinal = device.ordinal
        stack = contextlib.ExitStack()
        made, detail = self.attempt("context", ordinal, lambda: device.context(stack))
        lost = None if made else "context"
        if made and detail is not None:
            facts.update(detail)
            self.trace.facts("devices", self.devices)
            loaded = self.attempt("ptx", ordinal, lambda: device.load(stack))[0]
            self.know("driver_files", driver_files())
            lost = self.lost(ordinal)
        else:
            loaded = False
            self.skip("ptx", ordinal, "context")
        for check in ("vadd", "matmul", "reduce", "bandwidth"):
            because = lost or ("ptx" if not loaded and check != "bandwidth" else None)
            if because:
                self.skip(check, ordinal, because)
                continue
            self.attempt(check, ordinal, getattr(device, check))
            lost = self.lost(ordinal)
        self.attempt("release", ordinal, lambda: device.release(stack))
        self.figures[str(ordinal)] = device.figures
        self.trace.facts("figures", self.figures)

    def lost(self, ordinal: int) -> str | None:
        """The check after which nothing more can be asked of the device, if there was one."""
        lost = (c["check"] for c in self.checks if c["device"] == ordinal and c.get("result") in STICKY)
        return next(lost, None)


def driver_number(driver: Driver) -> int:
    """The newest CUDA that this libcuda supports, 1000 x major + 10 x minor."""
    number = c_int()
    driver.call("cuDriverGetVersion", byref(number))
    return number.value


def device_count(driver: Driver) -> int:
    """How many devices CUDA sees."""
    count = c_int()
    driver.call("cuDeviceGetCount", byref(count))
    return count.value


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Check the CUDA driver and its GPUs by computing on them.")
    parser.add_argument("--device", action="append", default=[], help="ordinal or UUID; repeatable; default all")
    parser.add_argument("--timeout", type=float, default=0.0, help="seconds after which nothing new is started")
    parser.add_argument("--trace", type=int, default=None, help="file descriptor for the trace")
    parser.add_argument("--nonce", default=None, help="repeated in the answer, with all arguments")
    parser.add_argument("--libcuda", default=None, help="load this file instead of searching")
    parser.add_argument("--ptx", default=PTX_FILE, help="load this PTX instead of the one beside the script")
    parser.add_argument("--root", default="", help="read device nodes, /proc and /sys under this folder")
    parser.add_argument("--vadd-elements", type=int, default=100003)
    parser.add_argument("--matmul-size", type=int, default=1000)
    parser.add_argument("--reduce-elements", type=int, default=200003)
    parser.add_argument("--copy-bytes", type=int, default=64 << 20)
    parser.add_argument("--repeats", type=int, default=3, help="copies each way; the best counts")
    return parser.parse_args(arguments)


def die_with_parent() -> None:
    """Have this process killed when the one that started it ends (prctl(2)): else it goes on and holds the GPU."""
    if sys.platform.startswith("linux"):
        parent = os.getppid()
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, int(signal.SIGKILL), 0, 0, 0)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:
            os._exit(1)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run and write the document; leaves with os._exit, so that a driver that fails at exit cannot hide the answer."""
    options = parse_arguments(arguments)
    answer = os.dup(1)
    os.dup2(2, 1)  # a library that prints must not break the document
    run = Run(options)
    run.run()
    python = {"version": sys.version, "implementation": sys.implementation.name}
    run.document["answers"] = {"asked": sys.argv[1:], "python": python}
    with os.fdopen(answer, "w", encoding="ascii") as file:
        file.write(json.dumps(run.document) + "\n")
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    die_with_parent()
    main()

"""Codes of findings about the driver: what its calls answer, which libcuda is loaded, how a probe ends."""

from __future__ import annotations

from envkit.models.fact import Blame, Code


def _finding(name: str, meaning: str, blames: Blame | None = "host") -> Code:
    return Code("finding", name, meaning, blames)


def _seen(name: str, meaning: str) -> Code:
    return Code("seen", name, meaning)


# What a call answers. The environment is at fault where its own libcuda is the cause.
CALL_FAILED = _finding("call-failed", "A call of the driver failed.")
COMPAT_NOT_SUPPORTED = _finding("compat-not-supported", "This GPU or driver does not support cuda-compat.")
CONTAINED_ERROR = _finding("contained-error", "The GPU met an error that it contained to this process.")
DEVICE_EXCLUSIVE = _finding("device-exclusive", "Another process has the GPU in exclusive compute mode.")
DEVICE_NOT_LICENSED = _finding("device-not-licensed", "The virtual GPU has no licence, so it does not compute.")
DEVICE_PERMISSION = _finding("device-permission", "This user or container may not open the driver's device nodes.")
DEVICE_PROHIBITED = _finding("device-prohibited", "The GPU is in prohibited compute mode.")
DEVICE_UNAVAILABLE = _finding("device-unavailable", "The GPU cannot be used at the moment.")
DRIVER_LIBRARY_INCOMPLETE = _finding("driver-library-incomplete", "The driver library lacks another that it needs.")
DRIVER_MISMATCH = _finding("driver-mismatch", "Driver library and kernel module are of different versions.")
DRIVER_NOT_INITIALIZED = _finding("driver-not-initialized", "The driver library could not be initialised.")
DRIVER_TOO_OLD = _finding("driver-too-old", "A newer driver is needed.")
DRIVER_UNKNOWN_ERROR = _finding("driver-unknown-error", "The driver met an error that it has no name for.")
ECC_ERROR = _finding("ecc-error", "The GPU met a memory error that cannot be corrected.")
FABRIC_MANAGER = _finding("fabric-manager", "The fabric manager, which NVSwitch needs, is not running.")
ILLEGAL_ADDRESS = _finding("illegal-address", "A kernel that is right elsewhere met an illegal address here.")
INVALID_DEVICE = _finding("invalid-device", "The driver does not accept the device.")
INVALID_IMAGE = _finding("invalid-image", "The driver does not take the kernels.")
JIT_COMPILER_MISSING = _finding("jit-compiler-missing", "The PTX compiler libnvidia-ptxjitcompiler.so.1 is missing.")
JIT_DISABLED = _finding("jit-disabled", "Compiling PTX is switched off.")
LAUNCH_FAILED = _finding("launch-failed", "A kernel that is right elsewhere failed here.")
LAUNCH_OUT_OF_RESOURCES = _finding("launch-out-of-resources", "The GPU cannot start a block of 256 threads.")
LAUNCH_TIMEOUT = _finding("launch-timeout", "A kernel took longer than the display's time limit lets it.")
MISALIGNED_ADDRESS = _finding("misaligned-address", "A kernel that is right elsewhere met a misaligned address here.")
MPS_CLIENT_TERMINATED = _finding("mps-client-terminated", "The MPS server ended this client.")
MPS_CONNECTION_FAILED = _finding("mps-connection-failed", "No connection to the MPS server.")
MPS_MAX_CLIENTS = _finding("mps-max-clients", "The MPS server has as many clients as it takes.")
MPS_MAX_CONNECTIONS = _finding("mps-max-connections", "The MPS server has as many connections as the GPU takes.")
MPS_RPC_FAILURE = _finding("mps-rpc-failure", "The MPS server did not answer a call.")
MPS_SERVER_NOT_READY = _finding("mps-server-not-ready", "The MPS server takes no clients at the moment.")
NOT_PERMITTED = _finding("not-permitted", "The driver does not permit the call.")
NOT_SUPPORTED = _finding("not-supported", "The driver does not support the call on this system.")
NO_DEVICE = _finding("no-device", "The driver finds no GPU that it can use.")
NO_KERNEL_FOR_DEVICE = _finding("no-kernel-for-device", "Validation needs compute capability 5.0 (Maxwell) or newer.")
NVLINK_ERROR = _finding("nvlink-error", "NVLink met an error that cannot be corrected.")
OPERATING_SYSTEM_ERROR = _finding("operating-system-error", "The operating system refused something to the driver.")
OUT_OF_MEMORY = _finding("out-of-memory", "The GPU has no memory left: another process holds it.")
PINNED_MEMORY = _finding("pinned-memory", "The host gives no pinned memory.")
PTX_INVALID = _finding("ptx-invalid", "The driver's compiler refuses the kernels.")
PTX_TOO_NEW = _finding("ptx-too-new", "The driver is older than the PTX, which needs CUDA 9.0 (384) or newer.")
STUB_LIBRARY = _finding("stub-library", "The loaded libcuda is the stub for linking, not a driver.")
UVM_MISSING = _finding("uvm-missing", "There is no usable /dev/nvidia-uvm, which the driver needs.")

# What is wrong with the host or the library before a call answers.
DEVICES_HIDDEN = _finding("devices-hidden", "A variable hides the GPUs.")
DEVICES_PARTLY_HIDDEN = _finding("devices-partly-hidden", "CUDA_VISIBLE_DEVICES lists more than CUDA sees.")
DEVICE_NOT_FOUND = _finding("device-not-found", "There is no such device.")
LIBCUDA_OFF_PATH = _finding("libcuda-off-path", "The driver library is not where the loader looks.")
LIBCUDA_SHADOWED = _finding("libcuda-shadowed", "Another libcuda hides the driver's.", None)
LIBCUDA_UNLOADABLE = _finding("libcuda-unloadable", "The driver library cannot be loaded.", None)
MIG_UNCHECKED = _finding("mig-unchecked", "A process sees one MIG instance, so others were not checked.")
NO_LIBCUDA = _finding("no-libcuda", "There is an NVIDIA GPU and no driver library.")

# How a check or a probe ends.
CRASH = _finding("crash", "The driver probe crashed.")
HANG = _finding("hang", "The driver probe hangs.")
KILLED = _finding("killed", "The driver probe was killed, most likely since memory ran out.")
NOT_REACHED = _finding("not-reached", "A check was not run, since an earlier one failed.", None)
OUT_OF_TIME = _finding("out-of-time", "A check was not finished in time.")
PROBE_FAILED = _finding("probe-failed", "A probe of envkit failed.", None)
PROBE_GARBLED = _finding("probe-garbled", "The answer of a probe cannot be read.", None)
PYTHON_TOO_OLD = _finding("python-too-old", "The driver probe needs Python 3.7 or newer.", "environment")
PYTHON_UNUSABLE = _finding("python-unusable", "The environment's Python does not run a plain script.", "environment")
RELEASE_FAILED = _finding("release-failed", "A GPU could not be released after it computed well.")
WRONG_RESULT = _finding("wrong-result", "A computation came out wrong.", None)

CALL_ANSWERED = _seen("call-answered", "A call answered something other than success.")
DRIVER_STEP = _seen("driver-step", "A check of the driver probe, and its device.")
LIBCUDA_DORMANT = _seen("libcuda-dormant", "The environment holds a libcuda that some of its programs may load.")
LIBCUDA_LOADED = _seen("libcuda-loaded", "The libcuda that is loaded.")
NVIDIA_TRACE = _seen("nvidia-trace", "A sign that this machine has to do with NVIDIA.")
STEP_DONE = _seen("step-done", "What a check of the driver probe achieved.")

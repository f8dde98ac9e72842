"""What each answer of the driver means: its stable code, whom it blames, and what to do.

Numbers and their meaning: ``CUresult`` in https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__TYPES.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from envkit.models.report import Blame

__all__ = [
    "ENDINGS",
    "EXCLUSIVE",
    "MEANINGS",
    "OTHER",
    "PERMISSION",
    "PINNED",
    "PROHIBITED",
    "RESET",
    "SYMBOL",
    "UVM",
    "Meaning",
]


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one way to fail means.

    Attributes:
        code: Stable code of the finding.
        text: What it means.
        hint: What to do about it.
        blames: Whose fault it is, unless the environment's own libcuda caused it.
        library: Whether another libcuda could be the cause, so that one that hides the driver's is named first.
    """

    code: str
    text: str
    hint: str
    blames: Blame = "host"
    library: bool = False


RESET = "Look for Xid messages in `dmesg`, then reset the GPU (`nvidia-smi --gpu-reset`) or reboot the host."
MPS = "Look at the MPS control daemon's log, restart it, or unset CUDA_MPS_PIPE_DIRECTORY to go without MPS."

MEANINGS: Mapping[int, Meaning] = {
    2: Meaning(
        "out-of-memory",
        "the GPU has no memory left: another process holds it",
        "Look with `nvidia-smi` who uses the GPU, and wait or choose another with CUDA_VISIBLE_DEVICES.",
    ),
    3: Meaning(
        "driver-not-initialized",
        "the driver library could not be initialised",
        "Run `nvidia-smi`: when it fails too, the driver needs to be reloaded or reinstalled.",
        library=True,
    ),
    34: Meaning(
        "stub-library",
        "the loaded libcuda is the stub that programs are linked against, not a driver",
        "Take the folder with the stub (…/stubs) out of LD_LIBRARY_PATH, or the file out of the loader's path.",
    ),
    36: Meaning(
        "driver-too-old",
        "a call needs a newer driver",
        "Update the NVIDIA driver.",
        library=True,
    ),
    46: Meaning(
        "device-unavailable",
        "the GPU cannot be used at the moment",
        "Look with `nvidia-smi` who uses the GPU; on a cluster, ask for it in the job.",
    ),
    100: Meaning(
        "no-device",
        "the driver finds no GPU that it can use",
        "Run `nvidia-smi -L`. Nothing there: no GPU was given to this machine or container, MIG is on without an "
        "instance, or the GPU is older than the driver supports (590 and newer need Turing).",
        library=True,
    ),
    101: Meaning(
        "invalid-device",
        "the driver does not accept the device",
        "Run `nvidia-smi -L` and compare with CUDA_VISIBLE_DEVICES.",
    ),
    102: Meaning(
        "device-not-licensed",
        "the virtual GPU has no licence, so that it does not compute",
        "Check the vGPU licence server (`nvidia-smi -q`, section vGPU Software Licensed Product).",
    ),
    200: Meaning(
        "invalid-image",
        "the driver does not take the kernels",
        "Update the NVIDIA driver.",
        library=True,
    ),
    209: Meaning(
        "no-kernel-for-device",
        "the driver has no code for this GPU: validation needs compute capability 5.0 (Maxwell) or newer",
        "Use another GPU; for older ones no current framework has kernels either.",
    ),
    214: Meaning(
        "ecc-error",
        "the GPU met a memory error that cannot be corrected",
        "Reset the GPU or reboot; when it comes again, `nvidia-smi -q -d ECC,ROW_REMAPPER` is what support asks for.",
    ),
    218: Meaning(
        "ptx-invalid",
        "the driver's compiler refuses the kernels",
        "The compiler's log is in the data of this finding. Another version of libnvidia-ptxjitcompiler than the "
        "driver's may be in the way.",
        library=True,
    ),
    220: Meaning("nvlink-error", "NVLink met an error that cannot be corrected", RESET),
    221: Meaning(
        "jit-compiler-missing",
        "libnvidia-ptxjitcompiler.so.1 was not found: PTX cannot be compiled here",
        "Install the driver's PTX compiler of the driver's version; in a container, set "
        "NVIDIA_DRIVER_CAPABILITIES=compute,utility.",
    ),
    222: Meaning(
        "ptx-too-new",
        "the driver is older than the PTX: it must be of CUDA 9.0 (384) or newer",
        "Update the NVIDIA driver.",
        library=True,
    ),
    223: Meaning(
        "jit-disabled",
        "compiling PTX is switched off",
        "Unset CUDA_DISABLE_PTX_JIT.",
    ),
    226: Meaning("contained-error", "the GPU met an error that it contained to this process", RESET),
    303: Meaning(
        "driver-library-incomplete",
        "the driver library could not load a library that it needs",
        "Reinstall the NVIDIA driver; in a container, set NVIDIA_DRIVER_CAPABILITIES=compute,utility.",
        library=True,
    ),
    304: Meaning(
        "operating-system-error",
        "the operating system refused something to the driver",
        "Check the permissions of /dev/nvidia* and the limits of the container (cgroup devices, memory lock).",
    ),
    700: Meaning("illegal-address", "a kernel that is right elsewhere met an illegal address here", RESET),
    701: Meaning("launch-out-of-resources", "the GPU lacks the resources to start a block of 256 threads", RESET),
    702: Meaning(
        "launch-timeout",
        "a kernel took longer than the display's time limit lets it",
        "Use a GPU that drives no display, or end what loads this one.",
    ),
    716: Meaning("misaligned-address", "a kernel that is right elsewhere met a misaligned address here", RESET),
    719: Meaning("launch-failed", "a kernel that is right elsewhere failed here", RESET),
    800: Meaning(
        "not-permitted",
        "the driver does not permit the call",
        "Check the compute mode (`nvidia-smi -q -d COMPUTE`), MIG and vGPU settings.",
    ),
    801: Meaning("not-supported", "the driver does not support the call on this system", "Update the NVIDIA driver."),
    802: Meaning(
        "fabric-manager",
        "the system is not ready: on hosts with NVSwitch the fabric manager does not run",
        "Start it: `systemctl start nvidia-fabricmanager`, in the driver's own version; then wait until "
        "`nvidia-smi -q -d FABRIC` says Completed.",
    ),
    803: Meaning(
        "driver-mismatch",
        "the driver library and the kernel module are of different versions",
        "Reboot, or reload the nvidia modules, after a driver update; in a container, remove the libcuda that the "
        "image brings along.",
        library=True,
    ),
    804: Meaning(
        "compat-not-supported",
        "forward compatibility (cuda-compat) was tried on a GPU or driver that does not support it",
        "Remove cuda-compat from the loader's path: it is for data-centre GPUs and certain driver branches. Take a "
        "build for the driver's own CUDA, or update the driver.",
        library=True,
    ),
    805: Meaning("mps-connection-failed", "no connection to the MPS server", MPS),
    806: Meaning("mps-rpc-failure", "the MPS server did not answer a call", MPS),
    807: Meaning("mps-server-not-ready", "the MPS server takes no clients at the moment", MPS),
    808: Meaning("mps-max-clients", "the MPS server has as many clients as it takes", MPS),
    809: Meaning("mps-max-connections", "the MPS server has as many connections as the GPU takes", MPS),
    810: Meaning("mps-client-terminated", "the MPS server ended this client", MPS),
    999: Meaning(
        "driver-unknown-error",
        "the driver met an error that it has no name for",
        "Look for Xid messages in `dmesg`; reload the nvidia modules or reboot the host.",
        library=True,
    ),
}

OTHER = Meaning("call-failed", "a call of the driver failed", "Run `nvidia-smi`, and look for Xid messages in `dmesg`.")
SYMBOL = Meaning(
    "driver-too-old", "the driver library lacks a function of CUDA 9.0", "Update the NVIDIA driver.", library=True
)
UVM = Meaning(
    "uvm-missing",
    "the driver works and its memory module does not: there is no usable /dev/nvidia-uvm",
    "Load it: `nvidia-modprobe -u -c=0` (or `modprobe nvidia_uvm`); in a container, give it /dev/nvidia-uvm.",
)
PERMISSION = Meaning(
    "device-permission",
    "this user or container may not open the driver's device nodes",
    "Check the owner and mode of /dev/nvidia* and the container's device permissions (cgroup).",
)
PINNED = Meaning(
    "pinned-memory",
    "the host gives no pinned memory",
    "Raise the limit of locked memory (`ulimit -l`) or of the container's memory; on WSL, that of .wslconfig.",
)
EXCLUSIVE = Meaning(
    "device-exclusive",
    "the GPU is in exclusive compute mode and another process has it",
    "Wait for that process, or set the default mode: `nvidia-smi --compute-mode=0`.",
)
PROHIBITED = Meaning(
    "device-prohibited",
    "the GPU is in prohibited compute mode: nobody may compute on it",
    "Set the default mode: `nvidia-smi --compute-mode=0`.",
)

ENDINGS = {
    "timed-out": Meaning("hang", "no end within {elapsed_s:.0f} s: it hangs in {step}", RESET, library=True),
    "crashed": Meaning(
        "crash",
        "it crashed with {signal} in {step}",
        "Run `nvidia-smi`; reinstall the driver when it fails too.",
        library=True,
    ),
    "killed": Meaning(
        "killed",
        "something killed it in {step}: most likely the host or the container is out of memory",
        "Look into `dmesg` for the OOM killer, or raise the container's memory limit.",
    ),
    "failed": Meaning("probe-failed", "the probe failed in {step}: {why}", "Please report this.", library=True),
    "garbled": Meaning("probe-garbled", "its answer cannot be read: {why}", "Please report this.", library=True),
}

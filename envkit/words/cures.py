"""The cure of each finding: one for a code, wherever it shows."""

from __future__ import annotations

from collections.abc import Callable

from envkit.models.codes import driver, files, frameworks, gpucode
from envkit.models.fact import Blame, Code
from envkit.models.installed import Repair
from envkit.models.probe import Shadow
from envkit.models.report import Finding, Recorded
from envkit.words.container import CONTAINER_CURES
from envkit.words.fleet import FLEET_CURES
from envkit.words.say import fill

_REPORT = "Please report this."
_RESET = "Look for Xid messages in `dmesg`, then reset the GPU (`nvidia-smi --gpu-reset`) or reboot the host."
_MPS = "Look at the MPS control daemon's log, restart it, or unset CUDA_MPS_PIPE_DIRECTORY to go without MPS."
_CAPABILITIES = "NVIDIA_DRIVER_CAPABILITIES=compute,utility"
_IN_USE = "Look with `nvidia-smi` who uses the GPU, and wait or choose another with CUDA_VISIBLE_DEVICES"
_UPDATE = "Update the NVIDIA driver."
_FIND = "Choose another build: `envkit find` shows what runs on this GPU and driver."
_LIBCUDA: dict[Blame, str] = {
    "environment": "Remove the file, or the package that it came with, from the environment: libcuda belongs to the "
    "driver of the host.",
    "host": "Unset the variable, or take that folder out of it.",
}
_PROFILES_AGAIN = "Go back with `envkit rollback`, or make them again: envkit create --replace --hosts FILE."
_MAKE_AGAIN = "Make the environment again with create --replace."
_ABOVE = "See the findings above; else make the environment again."
_VALIDATE = "Prove it with `envkit validate {name}`."


def cure(finding: Finding) -> str | None:
    """Return what to do about a finding; None where there is nothing to do."""
    if isinstance(finding.fact, Recorded):
        return finding.fact.cure
    if not isinstance(finding.code, Code):
        return None
    return fill(CURES[finding.code.family], {**finding.fact.params, "blames": finding.blames}) or None


def _repair(repair: Repair) -> str:
    return {
        "fix": f"Mend it with `envkit doctor {repair.name} --fix`: its packages are linked anew, the damaged "
        "generation stays for rollback.",
        "create": "Make the environment again with create --replace; the packages are still in the cache.",
        "tool": "Install those packages again with the tool that made the environment.",
        "pip": "Install it again: pip install --force-reinstall --no-deps NAME.",
    }[repair.by]


def _added(blames: Blame | None, repair: Repair) -> str:
    return f"Put them into the request: envkit install. {_repair(repair)}" if blames else ""


def _moved(made_at: str | None, root: str | None = None, repair: Repair | None = None) -> str:
    if repair is not None:
        return _repair(repair)
    return f"--fix links them anew (seconds); or mount it at {made_at}, or make {made_at} a link to {root}."


def _shadowed(blames: Blame) -> str:
    return _LIBCUDA[blames]


def _unloadable(blames: Blame) -> str:
    return _LIBCUDA[blames] if blames == "environment" else "Reinstall the NVIDIA driver for this architecture."


def _unless_shadowed(text: str) -> Callable[..., str]:
    """Return the cure of an end that another libcuda can cause."""
    return lambda shadow=None: _LIBCUDA[shadow.blames] if isinstance(shadow, Shadow) else text


def _stub(shadow: Shadow | None = None) -> str:
    if shadow is not None:
        return _LIBCUDA[shadow.blames]
    return "Take the folder with the stub (…/stubs) out of LD_LIBRARY_PATH, or the file out of the loader's path."


def _hidden(variable: str) -> str:
    if variable.startswith("NVIDIA"):
        return "Start the container with GPUs (`--gpus all`)."
    return "Unset it, or name a GPU that `nvidia-smi -L` lists."


def _wrong(blames: Blame) -> str:
    if blames == "host":
        return f"Do not trust this GPU. {_RESET}"
    return "Do not trust this environment on this machine. Make it again; if it stays, the hardware is suspect."


def _too_old(blames: Blame) -> str:
    return _UPDATE if blames == "host" else f"The build is newer than the driver. Update it, or: {_FIND}"


def _sees_none(cause: Code, package: str) -> str:
    if cause in {driver.DRIVER_TOO_OLD, frameworks.NO_KERNEL_IMAGE}:
        return _of_cause(cause)
    return (
        "The build does not fit this host, or a CUDA library of the environment is not found: "
        f"`envkit find {package}` shows builds that run here."
    )


def _of_cause(cause: Code) -> str:
    """Return the cure of what an optional computation failed of."""
    return fill(CURES[cause], {"blames": "environment"})


def _said(text: str) -> Callable[..., str]:
    """Return a cure that ends with the last words of the probe."""
    return lambda said=None: f"{text} It said: {said[:300]}" if said else text


CURES: dict[str, str | Callable[..., str]] = {
    **CONTAINER_CURES,
    **FLEET_CURES,
    driver.CALL_FAILED: "Run `nvidia-smi`, and look for Xid messages in `dmesg`.",
    driver.COMPAT_NOT_SUPPORTED: "Take cuda-compat off the loader's path: the build has to fit the driver's own CUDA.",
    driver.CONTAINED_ERROR: _RESET,
    driver.CRASH: _unless_shadowed("Run `nvidia-smi`; reinstall the driver when it fails too."),
    driver.DEVICES_HIDDEN: _hidden,
    driver.DEVICES_PARTLY_HIDDEN: "CUDA stops at the first one that it does not know: see `nvidia-smi -L`.",
    driver.DEVICE_EXCLUSIVE: "Wait for that process, or set the default mode: `nvidia-smi --compute-mode=0`.",
    driver.DEVICE_NOT_FOUND: "Name one that `nvidia-smi -L` lists; numbers count after CUDA_VISIBLE_DEVICES.",
    driver.DEVICE_NOT_LICENSED: "Check the licence server (`nvidia-smi -q`, vGPU Software Licensed Product).",
    driver.DEVICE_PERMISSION: "Check owner and mode of /dev/nvidia* and the container's device permissions (cgroup).",
    driver.DEVICE_PROHIBITED: "Set the default mode: `nvidia-smi --compute-mode=0`.",
    driver.DEVICE_UNAVAILABLE: f"{_IN_USE}; on a cluster, ask for a GPU in the job.",
    driver.DRIVER_LIBRARY_INCOMPLETE: f"Reinstall the NVIDIA driver; in a container, set {_CAPABILITIES}.",
    driver.DRIVER_MISMATCH: "Reboot or reload the nvidia modules; in a container, remove the libcuda of the image.",
    driver.DRIVER_NOT_INITIALIZED: "Run `nvidia-smi`: if it fails too, reload or reinstall the driver.",
    driver.DRIVER_TOO_OLD: _too_old,
    driver.DRIVER_UNKNOWN_ERROR: "Look for Xid messages in `dmesg`; reload the nvidia modules or reboot the host.",
    driver.ECC_ERROR: "Reset the GPU or reboot; if it comes again, show support `nvidia-smi -q -d ECC,ROW_REMAPPER`.",
    driver.FABRIC_MANAGER: (
        "Start it: `systemctl start nvidia-fabricmanager`, in the driver's own version; then wait until "
        "`nvidia-smi -q -d FABRIC` says Completed."
    ),
    driver.HANG: _unless_shadowed(_RESET),
    driver.ILLEGAL_ADDRESS: _RESET,
    driver.INVALID_DEVICE: "Run `nvidia-smi -L` and compare with CUDA_VISIBLE_DEVICES.",
    driver.INVALID_IMAGE: _UPDATE,
    driver.JIT_COMPILER_MISSING: f"Install the driver's PTX compiler; in a container, set {_CAPABILITIES}.",
    driver.JIT_DISABLED: "Unset CUDA_DISABLE_PTX_JIT.",
    driver.KILLED: "Look into `dmesg` for the OOM killer, or raise the container's memory limit.",
    driver.LAUNCH_FAILED: _RESET,
    driver.LAUNCH_OUT_OF_RESOURCES: _RESET,
    driver.LAUNCH_TIMEOUT: "Use a GPU that drives no display, or end what loads this one.",
    driver.LIBCUDA_OFF_PATH: "Add its folder to /etc/ld.so.conf.d and run `ldconfig`, or to LD_LIBRARY_PATH.",
    driver.LIBCUDA_SHADOWED: _shadowed,
    driver.LIBCUDA_UNLOADABLE: _unloadable,
    driver.MIG_UNCHECKED: "Name the others by their UUID (`nvidia-smi -L`), each with `--device MIG-...`.",
    driver.MISALIGNED_ADDRESS: _RESET,
    driver.MPS_CLIENT_TERMINATED: _MPS,
    driver.MPS_CONNECTION_FAILED: _MPS,
    driver.MPS_MAX_CLIENTS: _MPS,
    driver.MPS_MAX_CONNECTIONS: _MPS,
    driver.MPS_RPC_FAILURE: _MPS,
    driver.MPS_SERVER_NOT_READY: _MPS,
    driver.NOT_PERMITTED: "Check the compute mode (`nvidia-smi -q -d COMPUTE`), MIG and vGPU settings.",
    driver.NOT_REACHED: "",
    driver.NOT_SUPPORTED: _UPDATE,
    driver.NO_DEVICE: (
        "Run `nvidia-smi -L`. Nothing there: no GPU was given to this machine or container, MIG is on without an "
        "instance, or the GPU is older than the driver supports (590 and newer need Turing)."
    ),
    driver.NO_KERNEL_FOR_DEVICE: "Use another GPU; for older ones no current framework has kernels either.",
    driver.NO_LIBCUDA: (
        "Install the NVIDIA driver's libraries in the kernel module's version; in a container, start it with the "
        f"NVIDIA runtime (`--gpus all`) and {_CAPABILITIES}."
    ),
    driver.NVLINK_ERROR: _RESET,
    driver.OPERATING_SYSTEM_ERROR: "Check permissions of /dev/nvidia* and the container's limits (devices, memory).",
    driver.OUT_OF_MEMORY: f"{_IN_USE}.",
    driver.OUT_OF_TIME: "Give it more time (`--timeout`), or a GPU that is less busy.",
    driver.PINNED_MEMORY: "Raise the limit of locked memory (`ulimit -l`), of the container, or of .wslconfig.",
    driver.PROBE_FAILED: _unless_shadowed(_REPORT),
    driver.PROBE_GARBLED: _unless_shadowed(_REPORT),
    driver.PTX_INVALID: "See the compiler's log in the data; another libnvidia-ptxjitcompiler may be in the way.",
    driver.PTX_TOO_NEW: _UPDATE,
    driver.PYTHON_TOO_OLD: "Run the driver level with envkit's own Python; it loads the same libcuda.",
    driver.PYTHON_UNUSABLE: "Run the environment's own Python by hand: it does not start, or is hindered.",
    driver.RELEASE_FAILED: _RESET,
    driver.STUB_LIBRARY: _stub,
    driver.UVM_MISSING: "Load it: `nvidia-modprobe -u -c=0`; in a container, give it /dev/nvidia-uvm.",
    driver.WRONG_RESULT: _wrong,
    files.ADDED_BY_HAND: _added,
    files.PROFILES_BROKEN: _PROFILES_AGAIN,
    files.PROFILES_LOST: _PROFILES_AGAIN,
    files.BAD_MANIFEST: f"It was copied or damaged, or written by a newer envkit. {_MAKE_AGAIN}",
    files.BAD_RECORD: _repair,
    files.BARRED: "Their owner has to run --fix, which opens them; or close the volume: chmod go-rwx {root}.",
    files.BYTECODE_DAMAGED: "--fix removes these lists: the next environment compiles the packages again.",
    files.CACHE_DAMAGED: "--fix takes them out of the cache; they are fetched again when they are needed.",
    files.CACHE_WRITABLE: "--fix takes the right to write away.",
    files.CERTIFICATES_ADDED: "Keep them if your network needs them. The next update of the package takes them away; a "
    "file of them all that SSL_CERT_FILE names stays.",
    files.CLOSED: "Ask the owner to run `envkit doctor --fix`.",
    files.DUPLICATE_RECORDS: _repair,
    files.FILES_DAMAGED: _repair,
    files.PACK_DAMAGED: "Copy the file from a backup, or remove the environment and create it again.",
    files.GONE: "Go back with `envkit rollback {name} N`, or remove it with `envkit remove {name}`.",
    files.HOST_CHANGED: f"{_VALIDATE} --fix does so.",
    files.MOVED: _moved,
    files.NEVER_VALIDATED: _VALIDATE,
    files.NOT_AN_ENVIRONMENT: "Give the directory that holds conda-meta/ or pyvenv.cfg.",
    files.NOT_A_VOLUME: "",
    files.NOT_REMOVABLE: "`envkit clean` leaves them; let their owners run it.",
    files.NO_MANIFEST: _repair(Repair("create")),
    files.RECORDS_DIFFER: _repair,
    files.TAMPERED: "Somebody who may write the volume put it there. Look at it and take it away; until then nothing "
    "is changed here.",
    files.TOO_OPEN: "--fix takes the right to write away; their owner has to run it.",
    files.ROOT_ON_OTHERS: "Work there as {owner}, or give the volume to root.",
    files.OPEN_TO_ALL: "Share it with a group: envkit volume share --group GROUP; or close it: chmod o-w {root}.",
    files.UNFINISHED: "The next command that makes something removes them; so does --fix.",
    files.VALIDATION_FAILED: _VALIDATE,
    files.VOLUME_BARRED: "--fix gives them the rights of the volume's directory; their owner has to run it.",
    files.VOLUME_FILE: "--fix writes it anew.",
    frameworks.ARCH_NOT_COVERED: "Choose another build: `envkit find {package}` shows what runs on this GPU.",
    frameworks.COMPILE_FAILED: _of_cause,
    frameworks.COMPUTE_FAILED: _ABOVE,
    frameworks.CPU_BUILD: "If it should: `envkit find {package} --cuda auto` shows the builds that do.",
    frameworks.CUDA_LIBRARY_FAILED: "A CUDA library does not fit: look for copies in LD_LIBRARY_PATH.",
    frameworks.CUDA_LIBRARY_ELSEWHERE: "Install what brings it into the environment; `envkit doctor` says whether a "
    "package has lost it.",
    frameworks.CUDNN_INCOMPLETE: lambda missing=None: (
        f"Install cuDNN again{f': {missing} is missing, or of another version' if missing else ''}; `envkit doctor` "
        "says whether a package has lost it."
    ),
    frameworks.CUDNN_FAILED: "cuDNN does not fit: another copy of it may come first on the path.",
    frameworks.DEADLINE: "Give it longer with --deadline, or see in the findings above what takes its time.",
    frameworks.DRIVER_FAILED: "Cure what the driver level found first.",
    frameworks.FRAMEWORK_CRASHED: _said("See the findings above."),
    frameworks.FRAMEWORK_FAILED: _said("See the findings above."),
    frameworks.FRAMEWORK_HUNG: _said("Give it more time (`--timeout`), or see the findings above."),
    frameworks.GPUS_MISSING: "Compare CUDA_VISIBLE_DEVICES with `nvidia-smi -L`.",
    frameworks.GPU_NOT_ASKED: "Leave `--device cpu` out.",
    frameworks.IMPORT_CRASHED: _said("A compiled part of it does not fit the rest of the environment."),
    frameworks.IMPORT_FAILED: _said("A file is missing or two packages do not fit together: see the finding on files."),
    frameworks.IMPORT_HUNG: _said("A compiled part of it does not fit the rest of the environment."),
    frameworks.NCCL_FAILED: "Set NCCL_DEBUG=INFO and run it again: NCCL then says what it lacks.",
    frameworks.NOT_APPLICABLE: "",
    frameworks.NO_GPU: lambda title=None: (
        "Run `envkit validate` again on the machine with the GPU." if title is not None else ""
    ),
    frameworks.NO_KERNEL_IMAGE: f"The build has no code for this GPU. {_FIND}",
    frameworks.NO_PYTHON: lambda home=None: "Make the virtual environment again." if home is not None else "",
    frameworks.NOTHING_COMPUTED: "Make the environment again; if it stays, please report this.",
    frameworks.PACKAGES_DISAGREE: "{title} was made for another version of {package} than this: install an older "
    "{package}, or a newer {title}.",
    frameworks.PYTHON_FOREIGN: "Look at that file: it answers in place of Python. Remove it, or make the environment "
    "again with create --replace.",
    frameworks.PYTHON_BROKEN: _said("Make the environment again."),
    frameworks.SEES_NO_GPU: _sees_none,
    frameworks.SHARED_MEMORY: "Give the container more shared memory: `--shm-size=8g` or `--ipc=host`.",
    frameworks.THROUGHPUT_FAILED: _of_cause,
    gpucode.DRIVER_REFUSES: f"{_UPDATE} Or make the environment for that driver: envkit create --driver.",
    gpucode.DUPLICATE_CUDA_LIBRARY: "Which one is loaded depends on what is imported first. Take all of CUDA from "
    "conda, or all of it from wheels.",
    gpucode.GPU_CODE_MISSING: _FIND,
    gpucode.GPU_CODE_PARTLY: "",
    gpucode.NOTHING_FOR_GPUS: "",
}

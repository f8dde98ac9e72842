"""Conclude driver and GPUs from the answers of NVML, libcuda and nvidia-smi. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from envkit.cuda.architectures import is_tegra
from envkit.host.answers import Answers, CallError, Device, DriverAnswer, parse_library_version
from envkit.host.readings import Readings
from envkit.host.visible import select_visible
from envkit.models.host import Gpu
from envkit.models.version import CudaVersion, DriverVersion
from envkit.values import dataclass, field, replace

T = TypeVar("T")

_STUB = 34  # CUDA_ERROR_STUB_LIBRARY
_NO_DEVICE = 100
_MISMATCH = 803
_NO_COMPAT = 804
_NVML_NO_LIBRARY = 12

# With these from cuInit no program computes here, whatever NVML lists. Others are temporary (802: the fabric manager
# starts; 999: nvidia-uvm is not loaded yet), so the GPUs stay: builds chosen for them will run.
_UNUSABLE = frozenset({_NO_DEVICE, _MISMATCH, _NO_COMPAT})

# Cures by interface and error number (nvml.h, cuda.h).
_CURES = {
    ("NVML", 9): "the kernel driver is not loaded, or cannot be reached from here",
    ("NVML", 15): "a GPU fell off the bus: reset it, or reboot",
    ("NVML", 18): "library and kernel module are of different versions: reboot, or reload the module",
    ("libcuda", 46): "a GPU is held by another process in exclusive mode",
    ("libcuda", 100): "no GPU is handed to this process",
    ("libcuda", 802): "the fabric manager is not running, or not yet",
    ("libcuda", 803): "libcuda and kernel module do not fit: reboot, or reload the module",
    ("libcuda", 804): "cuda-compat does not support this GPU: take it off LD_LIBRARY_PATH",
    ("libcuda", 999): "often /dev/nvidia-uvm is missing: load the module nvidia-uvm",
}


@dataclass(slots=True)
class Draft:
    """Parts of an unfinished host.

    Attributes:
        sources: Source of each fact.
        notes: Disagreements, and facts that were ignored.
        traces: Signs of NVIDIA; they count if no GPU can be used.
    """

    sources: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    traces: list[str] = field(default_factory=list)


def conclude_driver(
    readings: Readings, answers: Answers, env: Mapping[str, str], draft: Draft
) -> tuple[DriverVersion | None, CudaVersion | None, tuple[Gpu, ...], bool]:
    """Return driver, ceiling, the GPUs that CUDA can use here, and whether libcuda is a forward-compatibility one."""
    nvidia = bool(
        readings.kernel
        or readings.gpu_nodes
        or "nvidiactl" in readings.nodes
        or readings.wsl_driver
        or readings.jetson[0]
    )
    for answer in answers.drivers:
        for error in answer.errors:
            if nvidia or answer.devices or not _is_absence(error):
                draft.notes.append(_explain(answer.interface, error))
    for stage, interface in (("nvml", "NVML"), ("libcuda", "libcuda"), ("nvidia-smi", "nvidia-smi")):
        if failed := answers.failures.get(stage):
            draft.notes.append(f"{interface} {failed}")
            draft.traces.append(f"{interface} {failed}")
    cuda, stub = answers.libcuda, None
    if cuda and (_STUB in cuda.numbers or "/stubs/" in (cuda.library or "")):
        stub = cuda.library or "libcuda"
        draft.notes.append(f"{stub} is a toolkit's stub, not a driver: take it off LD_LIBRARY_PATH")
        cuda = None
    version = _driver_version(readings, answers, draft)
    ceiling = _ceiling(answers, cuda, draft)
    compat = _is_compat(readings, cuda, draft)
    devices = _usable(_merge(answers, cuda, draft), answers, cuda, draft, stub)
    selection = select_visible(env.get("CUDA_VISIBLE_DEVICES"), devices)
    draft.notes += selection.notes
    if devices and not selection.devices:
        draft.traces.append(f"CUDA_VISIBLE_DEVICES hides {_list(devices)}")
    return version, ceiling, _gpus(selection.devices, readings, draft), compat


def _is_absence(error: CallError) -> bool:
    return error.number == _NVML_NO_LIBRARY or error.call.startswith("load ")


def _is_loaded(answer: DriverAnswer | None) -> bool:
    """Return whether a library was loaded for an answer, not merely looked for."""
    return answer is not None and not any(
        _is_absence(error) or error.call == "import pynvml" for error in answer.errors
    )


def _explain(interface: str, error: CallError) -> str:
    cure = _CURES.get((interface, error.number or 0))
    return f"{interface}: {error}" + (f": {cure}" if cure else "")


def _driver_version(readings: Readings, answers: Answers, draft: Draft) -> DriverVersion | None:
    said: list[tuple[DriverVersion, str]] = []
    if readings.kernel:
        if readings.kernel.version:
            said.append((readings.kernel.version, readings.kernel.source))
        if readings.kernel.note:
            draft.notes.append(readings.kernel.note)
    said += [(answer.driver_version, answer.interface) for answer in answers.drivers if answer.driver_version]
    if not said:
        draft.sources["driver_version"] = "no NVIDIA module in /proc or /sys, none by NVML"
        return None
    return _first("driver_version", "the driver is", said, draft)


def _first(fact: str, words: str, said: Sequence[tuple[T, str]], draft: Draft) -> T:
    """Return the best of several values, each with its source, and note the others that differ."""
    value, draft.sources[fact] = said[0]
    draft.notes += [
        f"{words} {value} by {said[0][1]}, {other} by {source}" for other, source in said[1:] if other != value
    ]
    return value


def _ceiling(answers: Answers, cuda: DriverAnswer | None, draft: Draft) -> CudaVersion | None:
    where = f" of {cuda.library}" if cuda and cuda.library else ""
    said = [
        (answer.driver_cuda, source)
        for answer, source in (
            (cuda, f"cuDriverGetVersion{where}"),  # required by CEP 30
            (answers.nvml, "NVML"),
            (answers.nvidia_smi, "nvidia-smi"),
        )
        if answer and answer.driver_cuda
    ]
    if not said:
        draft.sources["driver_cuda"] = "no user-mode driver found"
        return None
    return _first("driver_cuda", "the driver's CUDA is", said, draft)


def _is_compat(readings: Readings, cuda: DriverAnswer | None, draft: Draft) -> bool:
    draft.sources["compat"] = "path and version of libcuda against the kernel module"
    if cuda is None or cuda.library is None:
        draft.sources["compat"] = "no libcuda loaded"
        return False
    library = parse_library_version(cuda.library)
    kernel = readings.kernel.version if readings.kernel else None
    if "/compat" in cuda.library or "/cuda-compat" in cuda.library:
        draft.notes.append(f"libcuda is a forward-compatibility one: {cuda.library}, kernel module {kernel}")
        return True
    if library and kernel and library != kernel:
        # A newer library that starts is a compat one, wherever it is; with 803 the driver was updated without a reboot.
        compat = library > kernel and _MISMATCH not in cuda.numbers
        what = "forward compatibility" if compat else "an update without a reboot?"
        draft.notes.append(f"libcuda is of driver {library} ({cuda.library}), the kernel module is {kernel}: {what}")
        return compat
    return False


def _merge(answers: Answers, cuda: DriverAnswer | None, draft: Draft) -> tuple[Device, ...]:
    """Return NVML's devices in CUDA's order; those of libcuda, else of nvidia-smi, if NVML has none."""
    listed = cuda.devices if cuda else ()
    for answer in (answers.nvml, cuda, answers.nvidia_smi):
        if answer and answer.devices:
            draft.sources["gpus"] = answer.interface
            return (
                _in_cuda_order(answer.devices, listed, draft) if answer is answers.nvml and listed else answer.devices
            )
    asked = ", ".join(answer.interface for answer in answers.drivers) or "anything: none could be asked"
    draft.sources["gpus"] = f"none by {asked}"
    return ()


def _in_cuda_order(nvml: tuple[Device, ...], listed: tuple[Device, ...], draft: Draft) -> tuple[Device, ...]:
    """Combine the lists: CUDA decides which GPUs there are and in which order, NVML knows more about each."""
    if any(device.mig_mode for device in nvml):  # CUDA shows one MIG instance to a process
        return nvml
    by_uuid = {device.uuid_digits: device for device in nvml if device.uuid_digits}
    if not any(device.uuid_digits in by_uuid for device in listed):  # this driver's UUIDs cannot be compared
        if len(listed) == len(nvml):
            return nvml
        draft.notes.append(f"NVML lists {_list(nvml)}, libcuda {_list(listed)}: libcuda counts")
        draft.sources["gpus"] = "libcuda"
        return listed
    unseen = set(by_uuid) - {device.uuid_digits for device in listed}
    if unseen:
        draft.notes.append(f"NVML lists {_list([by_uuid[uuid] for uuid in sorted(unseen)])}, which CUDA does not see")
    draft.sources["gpus"] = "NVML, in the order of libcuda"
    ordered = []
    for seen in listed:
        device = by_uuid.get(seen.uuid_digits, seen)
        ordered.append(replace(device, memory_bytes=device.memory_bytes or seen.memory_bytes))
    return tuple(ordered)


def _usable(
    devices: tuple[Device, ...], answers: Answers, cuda: DriverAnswer | None, draft: Draft, stub: str | None
) -> tuple[Device, ...]:
    """Return the devices, or none if CUDA cannot start on any; `stub` is the path of a libcuda that is none."""
    if not devices:
        # A library that fails is a sign of NVIDIA, whatever the error.
        loaded = [answer for answer in (answers.nvml, cuda, answers.nvidia_smi) if answer and _is_loaded(answer)]
        draft.traces += [_explain(answer.interface, error) for answer in loaded for error in answer.errors]
        return ()
    why = f"{stub} hides the driver's libcuda" if stub else _why_unusable(answers, cuda)
    if why is None:
        return devices
    draft.notes.append(f"{_list(devices)}: listed, and not usable: {why}")
    draft.traces.append(f"{_list(devices)}: {why}")
    draft.sources["gpus"] += f" lists {len(devices)}, CUDA can use none"
    return ()


def _why_unusable(answers: Answers, cuda: DriverAnswer | None) -> str | None:
    if cuda and _is_loaded(cuda):
        for error in cuda.errors:
            if error.call == "cuInit" and error.number in _UNUSABLE:
                return _explain("libcuda", error)
        return None if cuda.devices or cuda.errors else "CUDA starts and sees no GPU"
    if "libcuda" in answers.failures or _told_cuda(answers):
        return None
    return "libcuda is not here (a container started without the capability `compute`?)"


def _told_cuda(answers: Answers) -> bool:
    """Return whether NVML or nvidia-smi found a libcuda that the loader did not."""
    if answers.nvml and answers.nvml.devices:
        return answers.nvml.driver_cuda is not None
    smi = answers.nvidia_smi
    return smi is not None and not any("N/A" in error.text for error in smi.errors)


def _gpus(devices: Sequence[Device], readings: Readings, draft: Draft) -> tuple[Gpu, ...]:
    gpus = []
    for device in devices:
        if not device.mig_mode:
            gpus.append(_gpu(device, readings))
        elif device.instances:
            gpus += [replace(_gpu(instance, readings), mig=True) for instance in device.instances]
        else:
            draft.notes.append(f"{_list([device])} is in MIG mode without an instance: CUDA cannot use it")
            draft.traces.append(f"{_list([device])} in MIG mode without an instance")
    instances = sum(gpu.mig for gpu in gpus)
    if instances > 1:
        draft.notes.append(f"{instances} MIG instances: CUDA shows one of them to a process")
    return tuple(gpus)


def _gpu(device: Device, readings: Readings) -> Gpu:
    name, capability = device.name or "", device.compute_capability
    return Gpu(
        name=device.name,
        compute_capability=capability,
        memory_bytes=device.memory_bytes,
        uuid=device.uuid,
        tegra="nvgpu" in name or (readings.jetson[0] is not None and capability is not None and is_tegra(capability)),
    )


def _list(devices: Sequence[Device]) -> str:
    return ", ".join(device.name or "a GPU without a name" for device in devices)

"""Facts from what was read and what the driver said. Pure: each fact with its source, each disagreement as a note."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from envkit.host.answers import Answers, CallError, Device, DriverAnswer, parse_library_version
from envkit.host.overrides import VARIABLES, Overrides
from envkit.host.readings import Readings
from envkit.host.requirements import unmet_requirements
from envkit.host.traces import variable_traces
from envkit.host.visible import select_visible
from envkit.models.host import Gpu, Host
from envkit.models.version import ComputeCapability, CudaVersion, DriverVersion

__all__ = ["assemble_host"]

# Tegra GPUs by compute capability (developer.nvidia.com/cuda-gpus): Nano and TX1, TX2, Xavier, Orin, Thor.
_TEGRA = {(5, 3), (6, 2), (7, 2), (8, 7), (11, 0)}

_STUB = 34
_NO_DEVICE = 100
_MISMATCH = 803
_NO_COMPAT = 804
_NVML_NO_LIBRARY = 12
_NVML_MISMATCH = 18

# With these from cuInit no program computes here, whatever NVML lists. Others pass by (802: the fabric manager starts;
# 999: nvidia-uvm is not loaded yet): there the GPUs stay, since what is chosen for them will run.
_UNUSABLE = frozenset({_NO_DEVICE, _MISMATCH, _NO_COMPAT})

# cuda.h and nvml.h name the numbers; what to do is written here.
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
class _Draft:
    """The host in the making."""

    sources: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    traces: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Driver:
    """What is known of driver and GPUs before overrides."""

    version: DriverVersion | None
    cuda: CudaVersion | None
    gpus: tuple[Gpu, ...]
    compat: bool


def assemble_host(readings: Readings, answers: Answers, *, env: Mapping[str, str], overrides: Overrides) -> Host:
    """The host, from all that was gathered.

    Args:
        readings: What files and variables say.
        answers: What the detection child said.
        env: Variables.
        overrides: CONDA_OVERRIDE_*, which win (CEP 30, CEP 46).
    """
    draft = _Draft()
    draft.sources.update(
        subdir=readings.subdir[1],
        wsl=readings.wsl[1],
        jetson=readings.jetson[1],
        container=readings.container[1],
        toolkits="version.json and version.txt of /usr/local/cuda*, /opt/cuda* and CUDA_HOME",
        mps="subdir",
    )
    driver = _driver(readings, answers, env, draft)
    host = Host(
        subdir=readings.subdir[0],
        glibc=_glibc(readings, answers, draft),
        microarch=_microarch(answers, draft),
        osx=_osx(readings, answers, draft),
        driver_version=driver.version,
        driver_cuda=driver.cuda,
        gpus=driver.gpus,
        compat=driver.compat,
        toolkits=readings.toolkits,
        container=readings.container[0],
        wsl=readings.wsl[0],
        jetson=readings.jetson[0],
        mps=readings.subdir[0] == "osx-arm64",
    )
    _note_surroundings(host, env, draft)
    host = _override(host, overrides, draft)
    if not host.gpus and "driver_cuda" not in overrides.given:
        _trace(readings, env, draft)
    else:
        draft.traces.clear()
    return replace(
        host,
        nvidia_traces=tuple(dict.fromkeys(draft.traces)),
        sources=draft.sources,
        notes=tuple(dict.fromkeys(draft.notes)),
    )


def _glibc(readings: Readings, answers: Answers, draft: _Draft) -> str | None:
    value, draft.sources["glibc"] = readings.glibc
    if value and answers.glibc and value != answers.glibc:
        draft.notes.append(f"glibc is {value} by {readings.glibc[1]}, {answers.glibc} by py-rattler")
    return value


def _microarch(answers: Answers, draft: _Draft) -> str | None:
    draft.sources["microarch"] = "py-rattler (archspec)"
    failed = answers.failures.get("machine")
    if failed:
        draft.sources["microarch"] += f", which {failed}"
        draft.notes.append(f"microarchitecture: py-rattler {failed}")
    draft.notes += answers.troubles
    return answers.microarch


def _osx(readings: Readings, answers: Answers, draft: _Draft) -> str | None:
    draft.sources["osx"] = readings.osx[1] if readings.osx[0] or not answers.osx else "py-rattler"
    return readings.osx[0] or answers.osx


# --- driver and GPUs


def _driver(readings: Readings, answers: Answers, env: Mapping[str, str], draft: _Draft) -> _Driver:
    nvidia = _has_nvidia(readings)
    for answer in answers.drivers:
        for error in answer.errors:
            if nvidia or answer.devices or not _is_absence(error):
                draft.notes.append(_explain(answer.interface, error))
    for stage, interface in (("nvml", "NVML"), ("libcuda", "libcuda"), ("nvidia-smi", "nvidia-smi")):
        if failed := answers.failures.get(stage):
            draft.notes.append(f"{interface} {failed}")
            draft.traces.append(f"{interface} {failed}")
    cuda = _without_stub(answers.libcuda, draft)
    version = _driver_version(readings, answers, draft)
    ceiling = _ceiling(answers, cuda, draft)
    compat = _is_compat(readings, cuda, draft)
    devices = _usable(_merge(answers, cuda, draft), answers, cuda, draft)
    selection = select_visible(env.get("CUDA_VISIBLE_DEVICES"), devices)
    draft.notes += selection.notes
    if devices and not selection.devices:
        draft.traces.append(f"CUDA_VISIBLE_DEVICES hides {_list(devices)}")
    return _Driver(version, ceiling, _gpus(selection.devices, readings, draft), compat)


def _has_nvidia(readings: Readings) -> bool:
    devices = readings.devices
    return bool(readings.kernel or devices.gpus or devices.control or readings.wsl_driver or readings.jetson[0])


def _is_absence(error: CallError) -> bool:
    return error.number == _NVML_NO_LIBRARY or error.call.startswith("load ")


def _explain(interface: str, error: CallError) -> str:
    cure = _CURES.get((interface, error.number or 0))
    return f"{interface}: {error}" + (f": {cure}" if cure else "")


def _without_stub(cuda: DriverAnswer | None, draft: _Draft) -> DriverAnswer | None:
    """A toolkit's stub of libcuda knows no driver."""
    if cuda and (_STUB in cuda.numbers or "/stubs/" in (cuda.library or "")):
        draft.notes.append(
            f"{cuda.library or 'libcuda'} is a toolkit's stub, not a driver: take it off LD_LIBRARY_PATH"
        )
        return None
    return cuda


def _is_loaded(cuda: DriverAnswer | None) -> bool:
    return cuda is not None and not any(_is_absence(error) for error in cuda.errors)


def _driver_version(readings: Readings, answers: Answers, draft: _Draft) -> DriverVersion | None:
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
    version, draft.sources["driver_version"] = said[0]
    draft.notes += [
        f"the driver is {version} by {said[0][1]}, {other} by {source}"
        for other, source in said[1:]
        if other != version
    ]
    return version


def _ceiling(answers: Answers, cuda: DriverAnswer | None, draft: _Draft) -> CudaVersion | None:
    said = [
        (answer.driver_cuda, source)
        for answer, source in (
            (cuda, "cuDriverGetVersion"),  # what CEP 30 asks for
            (answers.nvml, "NVML"),
            (answers.nvidia_smi, "nvidia-smi"),
        )
        if answer and answer.driver_cuda
    ]
    if not said:
        draft.sources["driver_cuda"] = "no user-mode driver found"
        return None
    ceiling, source = said[0]
    where = f" of {cuda.library}" if cuda and cuda.library and source == "cuDriverGetVersion" else ""
    draft.sources["driver_cuda"] = source + where
    draft.notes += [
        f"the driver's CUDA is {ceiling} by {source}{where}, {other} by {by}"
        for other, by in said[1:]
        if other != ceiling
    ]
    return ceiling


def _is_compat(readings: Readings, cuda: DriverAnswer | None, draft: _Draft) -> bool:
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
        # A newer library that starts is a compat one wherever it lies; with 803 it is an update without a reboot.
        compat = library > kernel and _MISMATCH not in cuda.numbers
        what = "forward compatibility" if compat else "an update without a reboot?"
        draft.notes.append(f"libcuda is of driver {library} ({cuda.library}), the kernel module is {kernel}: {what}")
        return compat
    return False


def _merge(answers: Answers, cuda: DriverAnswer | None, draft: _Draft) -> tuple[Device, ...]:
    """NVML's devices in CUDA's order; libcuda's, else nvidia-smi's, where NVML has none."""
    nvml = answers.nvml.devices if answers.nvml else ()
    listed = cuda.devices if cuda else ()
    if nvml:
        draft.sources["gpus"] = "NVML"
        return _in_cuda_order(nvml, listed, draft) if listed else nvml
    for devices, source in (
        (listed, "libcuda"),
        (answers.nvidia_smi.devices if answers.nvidia_smi else (), "nvidia-smi"),
    ):
        if devices:
            draft.sources["gpus"] = source
            return devices
    asked = ", ".join(answer.interface for answer in answers.drivers) or "anything: none could be asked"
    draft.sources["gpus"] = f"none by {asked}"
    return ()


def _in_cuda_order(nvml: tuple[Device, ...], listed: tuple[Device, ...], draft: _Draft) -> tuple[Device, ...]:
    if any(device.mig_mode for device in nvml):  # CUDA shows one MIG instance to a process, whatever there is
        return nvml
    by_uuid = {device.uuid_digits: device for device in nvml if device.uuid_digits}
    if not all(device.uuid_digits in by_uuid for device in listed):
        if len(listed) != len(nvml):
            draft.notes.append(f"NVML lists {len(nvml)} GPU(s), libcuda {len(listed)}")
        return nvml
    ordered = tuple(dict.fromkeys(by_uuid[device.uuid_digits] for device in listed))
    unseen = [device for device in nvml if device not in ordered]
    if unseen:
        draft.notes.append(f"NVML lists {_list(unseen)}, which CUDA does not see")
    draft.sources["gpus"] = "NVML, in the order of libcuda"
    return tuple(
        replace(device, memory_bytes=device.memory_bytes or seen.memory_bytes)
        for device, seen in zip(ordered, listed, strict=False)
    )


def _usable(
    devices: tuple[Device, ...], answers: Answers, cuda: DriverAnswer | None, draft: _Draft
) -> tuple[Device, ...]:
    """The devices, or none where CUDA cannot start on any."""
    fatal = (
        next((error for error in cuda.errors if error.call == "cuInit" and error.number in _UNUSABLE), None)
        if cuda
        else None
    )
    mismatch = answers.nvml is not None and _NVML_MISMATCH in answers.nvml.numbers
    if fatal:
        why = _explain("libcuda", fatal)
    elif mismatch and not devices and answers.nvml:
        why = "; ".join(_explain("NVML", error) for error in answers.nvml.errors)
    elif devices and not _is_loaded(cuda) and "libcuda" not in answers.failures and not _told_cuda(answers):
        why = "libcuda is not here (a container started without the capability `compute`?)"
    else:
        return devices
    if devices:
        draft.notes.append(f"{_list(devices)}: listed, and not usable: {why}")
        draft.sources["gpus"] += f" lists {len(devices)}, CUDA can use none"
    draft.traces.append(f"{_list(devices)}: {why}" if devices else why)
    return ()


def _told_cuda(answers: Answers) -> bool:
    """Whether NVML or nvidia-smi found a libcuda where the loader did not."""
    if answers.nvml and answers.nvml.devices:
        return answers.nvml.driver_cuda is not None
    smi = answers.nvidia_smi
    return smi is not None and not any("N/A" in error.text for error in smi.errors)


def _gpus(devices: Sequence[Device], readings: Readings, draft: _Draft) -> tuple[Gpu, ...]:
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
    name = device.name or ""
    return Gpu(
        name=device.name,
        compute_capability=device.compute_capability,
        memory_bytes=device.memory_bytes,
        uuid=device.uuid,
        tegra="nvgpu" in name or (readings.jetson[0] is not None and device.compute_capability in _TEGRA),
    )


def _list(devices: Sequence[Device]) -> str:
    return ", ".join(device.name or "a GPU without a name" for device in devices)


# --- what surrounds it


def _note_surroundings(host: Host, env: Mapping[str, str], draft: _Draft) -> None:
    draft.notes += [
        f"the toolkit {version} in {folder} says nothing about the driver"
        for folder, version in host.toolkits.items()
        if host.driver_cuda is None or CudaVersion.parse(version) > host.driver_cuda
    ]
    draft.notes += unmet_requirements(
        env, driver_version=host.driver_version, driver_cuda=host.driver_cuda, gpus=host.gpus
    )
    visible = env.get("NVIDIA_VISIBLE_DEVICES", "").strip()
    if visible in {"none", "void"}:
        draft.notes.append(f"NVIDIA_VISIBLE_DEVICES={visible}: the container was started without a GPU")
    if host.gpus and env.get("SLURM_JOB_ID") and "CUDA_VISIBLE_DEVICES" not in env:
        draft.notes.append("a Slurm job without CUDA_VISIBLE_DEVICES: these GPUs may not be handed to it")


def _trace(readings: Readings, env: Mapping[str, str], draft: _Draft) -> None:
    """Signs of NVIDIA, where no GPU can be used."""
    devices = readings.devices
    if readings.kernel:
        draft.traces.append(
            f"NVIDIA kernel module {readings.kernel.version or ''} is loaded ({readings.kernel.source})"
        )
        if readings.container[0] and not devices.gpus:
            draft.notes.append(
                "the kernel module is the host's, seen from inside the container; no GPU is handed to it"
                " (start it with --gpus, or name the target with --driver and --gpu)"
            )
    if devices.gpus:
        draft.traces.append(f"device nodes: {', '.join(devices.gpus[:4])}")
        if not devices.uvm:
            draft.notes.append("/dev/nvidia-uvm is missing: CUDA cannot start without it")
    elif devices.control:
        draft.traces.append("device node: /dev/nvidiactl")
    if readings.wsl_driver:
        draft.traces.append("WSL has an NVIDIA driver: /usr/lib/wsl/lib/libcuda.so.1")
    if readings.jetson[0]:
        draft.traces.append(f"Jetson, L4T {readings.jetson[0]} ({readings.jetson[1]})")
    draft.traces += variable_traces(env)


# --- overrides


def _override(host: Host, overrides: Overrides, draft: _Draft) -> Host:
    for name in sorted(overrides.given - {"gpus"}):
        before, after = getattr(host, name), getattr(overrides, name)
        draft.sources[name] = VARIABLES[name]
        draft.notes.append(f"{VARIABLES[name]} replaces {name} {before or 'absent'} by {after or 'absent'}")
        host = replace(host, **{name: after})
    if "gpus" in overrides.given:
        host = _override_gpus(host, overrides.compute_capability, draft)
    return replace(host, overridden=overrides.given)


def _override_gpus(host: Host, capability: ComputeCapability | None, draft: _Draft) -> Host:
    variable = VARIABLES["gpus"]
    was = ", ".join(f"{gpu.name} ({gpu.compute_capability})" for gpu in host.gpus) or "no GPU"
    if capability is None:  # CEP 46: __cuda_arch is absent; the GPUs remain, of no known architecture
        draft.notes.append(f"{variable} is empty: no compute capability is known of {was}")
        draft.sources["gpus"] += f"; without architecture by {variable}"
        return replace(host, gpus=tuple(replace(gpu, compute_capability=None) for gpu in host.gpus))
    draft.notes.append(f"{variable} puts a GPU of {capability} in the place of {was}")
    draft.sources["gpus"] = variable
    return replace(host, gpus=(Gpu(name=None, compute_capability=capability),))

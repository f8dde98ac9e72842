"""Parse the lines of the detection children into values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from envkit.host.nvidia_smi import parse_smi_cuda, parse_smi_list, parse_smi_query
from envkit.models.version import ComputeCapability, CudaVersion, DriverVersion
from envkit.values import dataclass, field


@dataclass(frozen=True, slots=True)
class CallError:
    """A driver call that failed: its name, error number, and text."""

    call: str
    number: int | None
    text: str

    def __str__(self) -> str:
        return f"{self.call}: {self.text}" if self.number is None else f"{self.call}: {self.number} ({self.text})"


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU as listed by one interface of the driver; with MIG, its instances are devices inside it."""

    name: str | None
    compute_capability: ComputeCapability | None
    memory_bytes: int | None = None
    uuid: str | None = None
    mig_mode: bool = False
    instances: tuple[Device, ...] = ()

    @property
    def uuid_digits(self) -> str:
        """The hex digits of the UUID, the same under NVML (``GPU-...``) and libcuda (16 bytes)."""
        return re.sub(r"[^0-9a-f]", "", (self.uuid or "").lower().removeprefix("gpu-").removeprefix("mig-"))


@dataclass(frozen=True, slots=True)
class DriverAnswer:
    """The answer of one interface of the user-mode driver.

    Attributes:
        interface: ``NVML``, ``libcuda`` or ``nvidia-smi``.
        library: The file that was loaded or run, links resolved; None if none was found.
        driver_cuda: The newest CUDA that it reports.
        devices: The GPUs, in its order.
    """

    interface: str
    library: str | None = None
    driver_version: DriverVersion | None = None
    driver_cuda: CudaVersion | None = None
    devices: tuple[Device, ...] = ()
    errors: tuple[CallError, ...] = ()

    @property
    def numbers(self) -> frozenset[int]:
        """The error numbers."""
        return frozenset(error.number for error in self.errors if error.number is not None)


@dataclass(frozen=True, slots=True)
class Answers:
    """Everything that the children reported.

    An interface that was not asked or gave no answer is None.

    Attributes:
        failures: How a stage was cut off: by a signal, or the time limit.
        troubles: Other faults, in words.
    """

    glibc: str | None = None
    microarch: str | None = None
    osx: str | None = None
    nvml: DriverAnswer | None = None
    libcuda: DriverAnswer | None = None
    nvidia_smi: DriverAnswer | None = None
    failures: Mapping[str, str] = field(default_factory=dict)
    troubles: tuple[str, ...] = ()

    @property
    def drivers(self) -> tuple[DriverAnswer, ...]:
        """The interfaces that answered, best first."""
        return tuple(answer for answer in (self.nvml, self.libcuda, self.nvidia_smi) if answer)


def parse_library_version(path: str | None) -> DriverVersion | None:
    """Return the driver of a library: 570.86.10 of ``.../libcuda.so.570.86.10``; None for ``libcuda.so.1``."""
    match = re.search(r"\.so\.(\d{2,4}(?:\.\d{1,4}){1,2})\Z", path or "", re.ASCII)
    return DriverVersion.parse(match[1]) if match else None


def parse_answers(lines: Iterable[Mapping[str, Any]]) -> Answers:
    """Parse the lines.

    Raises:
        ValueError: A line is not of this version (a cache of another one, or a damaged one).
    """
    found: dict[str, Any] = {"failures": {}}
    try:
        for line in lines:
            stage = line["stage"]
            if "failed" in line:
                found["failures"][_text(stage)] = _text(line["failed"])
            elif stage == "machine":
                found.update({name: _text(line[name]) for name in ("glibc", "microarch", "osx")})
                found["troubles"] = tuple(str(_text(trouble)) for trouble in line["troubles"])
            elif stage in {"nvml", "libcuda"}:
                found[stage] = _driver("NVML" if stage == "nvml" else stage, line)
            elif stage == "nvidia-smi":
                found["nvidia_smi"] = _smi(line)
            else:
                raise ValueError(f"unknown stage {stage!r}")
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"not an answer of the detection child: {error}") from error
    return Answers(**found)


def _text(value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ValueError(f"not text: {value!r}")
    return value


def _driver(interface: str, line: Mapping[str, Any]) -> DriverAnswer:
    version = _text(line["driver_version"])
    return DriverAnswer(
        interface=interface,
        library=_text(line["library"]),
        driver_version=_version(version) if version else None,
        driver_cuda=_cuda(line["driver_cuda"]),
        devices=tuple(_device(device) for device in line["devices"]),
        errors=tuple(
            CallError(str(_text(call)), None if number is None else int(number), str(_text(text)))
            for call, number, text in line["errors"]
        ),
    )


def _device(value: Mapping[str, Any]) -> Device:
    capability = value["compute_capability"]
    memory = value["memory_bytes"]
    return Device(
        name=_text(value["name"]),
        compute_capability=ComputeCapability(int(capability[0]), int(capability[1])) if capability else None,
        memory_bytes=int(memory) if memory else None,
        uuid=_text(value["uuid"]),
        mig_mode=bool(value.get("mig_mode")),
        instances=tuple(_device(instance) for instance in value.get("instances", ())),
    )


def _smi(line: Mapping[str, Any]) -> DriverAnswer:
    errors = [CallError("nvidia-smi", None, str(_text(text))) for text in line["errors"]]
    cuda = parse_smi_cuda(_text(line["header"]) or "")
    if cuda == "N/A":
        errors.append(CallError("nvidia-smi", None, "CUDA Version: N/A"))
    rows = parse_smi_query(_text(line["query"]) or "")
    instances = parse_smi_list(_text(line["list"]) or "")
    devices = []
    for row in rows:
        inside = tuple(
            Device(name, row.compute_capability, uuid=uuid) for name, uuid in instances.get(row.uuid or "", ())
        )
        devices.append(
            Device(row.name, row.compute_capability, row.memory_bytes, row.uuid, row.mig_mode or bool(inside), inside)
        )
    return DriverAnswer(
        interface="nvidia-smi",
        library=_text(line["library"]),
        driver_version=next((row.driver_version for row in rows if row.driver_version), None),
        driver_cuda=CudaVersion.parse(cuda) if cuda and cuda != "N/A" else None,
        devices=tuple(devices),
        errors=tuple(errors),
    )


def _version(text: str) -> DriverVersion | None:
    try:
        return DriverVersion.parse(text)
    except ValueError:
        return None


def _cuda(number: int | None) -> CudaVersion | None:
    # The range that py-rattler accepts; any other number is garbage in memory.
    return CudaVersion.from_driver_number(number) if number and 1000 <= number <= 99990 else None

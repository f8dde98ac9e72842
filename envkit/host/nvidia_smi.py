"""Parse the output of ``nvidia-smi``, the last resort if neither NVML nor libcuda can be loaded."""

from __future__ import annotations

import re

from envkit.models.version import ComputeCapability, DriverVersion
from envkit.values import dataclass

QUERIES = (
    "name,uuid,driver_version,memory.total,compute_cap,mig.mode.current",
    "name,uuid,driver_version,memory.total,compute_cap",
    "name,uuid,driver_version,memory.total",
)
"""The fields asked for; drivers before 510 do not know compute_cap and refuse the whole query."""


@dataclass(frozen=True, slots=True)
class SmiRow:
    """One line of ``nvidia-smi --query-gpu``."""

    name: str | None
    uuid: str | None
    driver_version: DriverVersion | None
    memory_bytes: int | None
    compute_capability: ComputeCapability | None
    mig_mode: bool


def parse_smi_query(text: str) -> list[SmiRow]:
    """Parse the lines of a query of `QUERIES` (``--format=csv,noheader,nounits``); memory is in MiB."""
    rows = []
    for line in text.splitlines():
        fields = [None if field.startswith("[") or field == "N/A" else field for field in line.split(", ")]
        if len(fields) < 4:
            continue
        name, uuid, driver, memory, *rest = fields
        capability = rest[0] if rest else None
        try:
            rows.append(
                SmiRow(
                    name=name,
                    uuid=uuid,
                    driver_version=DriverVersion.parse(driver) if driver else None,
                    memory_bytes=int(memory) << 20 if memory else None,
                    compute_capability=ComputeCapability.parse(capability) if capability else None,
                    mig_mode=len(rest) > 1 and rest[1] == "Enabled",
                )
            )
        except ValueError:  # a message among the lines ("Unable to determine the device handle ...")
            continue
    return rows


def parse_smi_cuda(text: str) -> str | None:
    """Return the ceiling in the header (``CUDA Version: 12.8``), or ``"N/A"`` without libcuda."""
    match = re.search(r"CUDA (?:UMD )?Version\s*:\s*(\d{1,2}\.\d{1,2}|N/A)", text)
    return match[1] if match else None


def parse_smi_list(text: str) -> dict[str, list[tuple[str, str]]]:
    """Return the MIG instances (name and UUID) by the GPU's UUID, from ``nvidia-smi -L``."""
    found: dict[str, list[tuple[str, str]]] = {}
    gpu = None
    for line in text.splitlines():
        if match := re.match(r"GPU \d+: .*\(UUID: (GPU-[^)\s]+)\)", line):
            gpu = match[1]
        elif gpu and (match := re.match(r"\s+(MIG \S+)\s+Device\s+\d+: \(UUID: (MIG-[^)\s]+)\)", line)):
            found.setdefault(gpu, []).append((match[1], match[2]))
    return found

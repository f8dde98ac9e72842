"""Apply ``CUDA_VISIBLE_DEVICES``, which decides the GPUs that CUDA shows to a program."""

from __future__ import annotations

from collections.abc import Sequence

from envkit.host.answers import Device
from envkit.values import dataclass, replace


@dataclass(frozen=True, slots=True)
class Selection:
    """The devices that remain, and notes about them."""

    devices: tuple[Device, ...]
    notes: tuple[str, ...] = ()


def select_visible(value: str | None, devices: Sequence[Device]) -> Selection:
    """Apply ``CUDA_VISIBLE_DEVICES`` as the CUDA programming guide describes it.

    It is a comma-separated list of indices (in CUDA's order), UUIDs (``GPU-`` and a unique beginning) or MIG instances
    (``MIG-`` and a UUID, or the older ``MIG-GPU-<uuid>/<gi>/<ci>``). The first entry that names no device ends the
    list, so ``-1`` or an empty value hides all. A device in the result has one instance if one was named.
    """
    if value is None:
        return Selection(tuple(devices))
    found: list[Device] = []
    notes: list[str] = []
    for entry in (part.strip() for part in value.split(",")):
        device = _find(entry, devices)
        if device is None or device in found:
            if entry and entry != "-1":
                why = "is named twice" if device else "names no GPU here"
                notes.append(f"CUDA_VISIBLE_DEVICES: {entry!r} {why}; it and what follows it are ignored by CUDA")
            break
        found.append(device)
    if devices:
        notes.insert(0, f"CUDA_VISIBLE_DEVICES={value} leaves {len(found)} of {len(devices)} GPU(s)")
    return Selection(tuple(found), tuple(notes))


def _find(entry: str, devices: Sequence[Device]) -> Device | None:
    named: list[Device] = []
    if entry.isascii() and entry.isdigit():
        index = int(entry[:6])
        named = list(devices[index : index + 1])
    elif entry.startswith("GPU-"):
        named = [device for device in devices if (device.uuid or "").startswith(entry)]
    elif entry.startswith("MIG-"):
        named = [
            replace(device, instances=(instance,))
            for device in devices
            for instance in device.instances
            if (instance.uuid or "").startswith(entry)
        ]
    return named[0] if len(named) == 1 else None

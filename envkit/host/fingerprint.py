"""A quick look whether this is still the host it was: no process, no driver library, a few milliseconds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from envkit.host.detect import Look
from envkit.host.overrides import VARIABLES

__all__ = ["Now", "fingerprint_now"]

_VARIABLES = ("CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH", *VARIABLES.values())


class Now(NamedTuple):
    """What can be said at once.

    Attributes:
        token: Sixteen hex digits. Equal tokens: nothing that decides has changed since. It holds the driver's version,
            the GPUs' models and nodes, the processor, the C library and the variables that hide or override; and the
            boot id only where the kernel does not name the GPUs (WSL, Jetson, sandboxes), since there two machines
            could look alike.
        fingerprint: `Host.fingerprint`, where the cache knows what the driver says; else None: ask `detect`.
    """

    token: str
    fingerprint: str | None


def fingerprint_now(
    root: Path = Path("/"), *, env: Mapping[str, str] | None = None, cache_dir: Path | None = None
) -> Now:
    """The token and, where it is known without asking the driver, the fingerprint.

    Args:
        root: Where the system's files are.
        env: Variables, instead of ``os.environ``.
        cache_dir: As for `envkit.host.detect.detect`.

    Raises:
        SettingsError: As `envkit.host.detect.detect`.
    """
    look = Look.at(env=env, root=root, cache_dir=cache_dir)
    answers = look.remembered()
    return Now(_token(look), look.host(answers).fingerprint if answers else None)


def _token(look: Look) -> str:
    readings = look.readings
    devices = readings.devices
    named = len(devices.models) == len(devices.gpus) and "?" not in devices.models
    nvidia = bool(devices.gpus or devices.dxg or devices.tegra or readings.kernel or readings.jetson[0])
    what = {
        "kernel": str(readings.kernel.version) if readings.kernel else None,
        "devices": asdict(devices),
        "subdir": readings.subdir[0],
        "glibc": readings.glibc[0],
        "osx": readings.osx[0],
        "wsl": readings.wsl[0],
        "jetson": readings.jetson[0],
        "processor": readings.processor,
        "boot_id": readings.boot_id if nvidia and not (named and devices.gpus) else None,
        "variables": {name: look.env[name] for name in _VARIABLES if name in look.env},
    }
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode("utf-8", "surrogateescape")).hexdigest()[:16]

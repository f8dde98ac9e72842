"""Read the facts of a machine that no driver tells: platform, C library, macOS, WSL, Jetson, CUDA toolkits on disk."""

from __future__ import annotations

import json
import os
import re
import struct
import sys
from collections.abc import Mapping

from envkit.host.tree import Tree

UNKNOWN_RELEASE = "unknown"
"""The release of a Tegra that does not name one."""

_OSRELEASE = "/proc/sys/kernel/osrelease"
_SYSTEM_VERSION = "/System/Library/CoreServices/SystemVersion.plist"
_TEGRA_RELEASE = "/etc/nv_tegra_release"
_SOC_FAMILY = "/sys/devices/soc0/family"
_DEVICE_TREE = "/proc/device-tree/compatible"
_ARCH = {
    "linux": {
        "x86_64": "64",
        "amd64": "64",
        "i386": "32",
        "i486": "32",
        "i586": "32",
        "i686": "32",
        "aarch64": "aarch64",
        "arm64": "aarch64",
        "armv6l": "armv6l",
        "armv7l": "armv7l",
        "armv8l": "armv7l",
        "ppc64": "ppc64",
        "ppc64le": "ppc64le",
        "riscv64": "riscv64",
        "s390x": "s390x",
        "loongarch64": "loongarch64",
    },
    "osx": {"x86_64": "64", "arm64": "arm64"},
    "win": {"amd64": "64", "x86_64": "64", "x86": "32", "arm64": "arm64"},
}
_BITS_32 = {"linux-64": "linux-32", "linux-aarch64": "linux-armv7l", "win-64": "win-32"}


def subdir_of(system: str, machine: str, *, bits: int = 64) -> str:
    """Return conda's name of a platform, from ``sys.platform``, ``uname -m`` and the width of a pointer.

    A 32-bit interpreter on a 64-bit kernel makes 32-bit environments.
    """
    family = "osx" if system == "darwin" else "win" if system in {"win32", "cygwin"} else "linux"
    subdir = f"{family}-{_ARCH[family].get(machine.lower(), machine.lower() or 'unknown')}"
    return subdir if bits == 64 else _BITS_32.get(subdir, subdir)


def parse_wsl(osrelease: str) -> bool:
    """Return whether a kernel release is of WSL 2; WSL 1 calls itself ``4.4.0-19041-Microsoft``."""
    osrelease = osrelease[:256].strip()
    return "microsoft" in osrelease.lower() and re.fullmatch(r"4\.4\.0-\d+-Microsoft", osrelease) is None


def parse_glibc(text: str | None) -> str | None:
    """Parse ``glibc 2.36`` (``confstr(CS_GNU_LIBC_VERSION)``); None for another C library."""
    match = re.fullmatch(r"glibc (\d+\.\d+)(?:[.\d]*)", (text or "").strip())
    return match[1] if match else None


def parse_osx_version(plist: str) -> str | None:
    """Return the ``ProductVersion`` of ``SystemVersion.plist``."""
    match = re.search(r"<key>ProductVersion</key>\s*<string>(\d+(?:\.\d+)*)</string>", plist)
    return match[1] if match else None


def parse_tegra_release(text: str) -> str | None:
    """Read ``# R35 (release), REVISION: 4.1, GCID: ...`` as ``35.4.1``."""
    match = re.match(r"#\s*R(\d{1,3})\s*\(release\),\s*REVISION:\s*(\d{1,3}(?:\.\d{1,3})*)", text)
    return f"{match[1]}.{match[2]}" if match else None


def parse_version_json(text: str) -> str | None:
    """Return the version in a toolkit's ``version.json`` (CUDA 11.1 and newer): ``cuda.version``."""
    try:
        value = json.loads(text)["cuda"]["version"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return value if isinstance(value, str) and re.fullmatch(r"[0-9]+(\.[0-9]+){1,3}", value) else None


def parse_version_txt(text: str) -> str | None:
    """Return the version in a toolkit's ``version.txt`` (CUDA 11.0 and older): ``CUDA Version 10.2.89``."""
    match = re.match(r"CUDA Version ([0-9]{1,4}(?:\.[0-9]{1,4}){1,3})\s", text + "\n")
    return match[1] if match else None


def read_subdir() -> tuple[str, str]:
    """Return the platform of this interpreter, and its source."""
    if sys.platform == "win32":
        return subdir_of(sys.platform, os.environ.get("PROCESSOR_ARCHITECTURE", "")), "PROCESSOR_ARCHITECTURE"
    return subdir_of(sys.platform, os.uname().machine, bits=struct.calcsize("P") * 8), "uname and this Python"


def read_glibc() -> tuple[str | None, str]:
    """Return the version of the C library of this process, and its source."""
    if sys.platform != "linux":
        return None, "not Linux"
    source = "confstr(CS_GNU_LIBC_VERSION)"
    try:
        return parse_glibc(os.confstr("CS_GNU_LIBC_VERSION")), source
    except (ValueError, OSError):  # musl has no such name
        return None, f"{source}: not glibc"


def read_osx(tree: Tree) -> tuple[str | None, str]:
    """Return the version of macOS, or None, and its source."""
    if sys.platform == "darwin":
        return parse_osx_version(tree.text(_SYSTEM_VERSION) or ""), _SYSTEM_VERSION
    return None, "not macOS"


def read_wsl(tree: Tree) -> tuple[bool, str]:
    """Return whether this is WSL 2, and the source."""
    return parse_wsl(tree.text(_OSRELEASE) or ""), _OSRELEASE


def read_jetson(tree: Tree) -> tuple[str | None, str]:
    """Return the L4T release (`UNKNOWN_RELEASE` for a Tegra without one), or None, and its source."""
    if release := parse_tegra_release(tree.text(_TEGRA_RELEASE) or ""):
        return release, _TEGRA_RELEASE
    if (tree.text(_SOC_FAMILY) or "").lower().startswith("tegra"):
        return UNKNOWN_RELEASE, _SOC_FAMILY
    if "nvidia,tegra" in (tree.text(_DEVICE_TREE) or ""):
        return UNKNOWN_RELEASE, _DEVICE_TREE
    return None, f"no {_TEGRA_RELEASE}"


def read_toolkits(tree: Tree, env: Mapping[str, str]) -> dict[str, str]:
    """Return the version by folder, for ``/usr/local/cuda*``, ``/opt/cuda*`` and CUDA_HOME; links count once."""
    folders = [
        f"{parent}/{name}"
        for parent in ("/usr/local", "/opt")
        for name in tree.names(parent)
        if re.match(r"cuda(-[0-9.]+)?\Z", name)
    ]
    folders += [value for name in ("CUDA_HOME", "CUDA_PATH") if (value := env.get(name, "")).startswith("/")]
    found: dict[str, str] = {}
    for folder in folders:
        version = parse_version_json(tree.text(f"{folder}/version.json") or "")
        version = version or parse_version_txt(tree.text(f"{folder}/version.txt") or "")
        if version:
            found[tree.resolve(folder)] = version
    return found

"""Read the facts of a machine that no GPU changes: platform, C library, macOS, WSL."""

from __future__ import annotations

import os
import re
import struct
import sys

from envkit.host.tree import Tree

__all__ = [
    "parse_glibc",
    "parse_osx_version",
    "parse_wsl",
    "read_glibc",
    "read_osx",
    "read_subdir",
    "read_wsl",
    "subdir_of",
]

_OSRELEASE = "/proc/sys/kernel/osrelease"
_SYSTEM_VERSION = "/System/Library/CoreServices/SystemVersion.plist"
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
    """Return conda's name of a platform.

    Args:
        system: ``sys.platform``.
        machine: The machine of ``uname -m``.
        bits: Width of a pointer in this process: a 32-bit interpreter on a 64-bit kernel makes 32-bit environments.
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

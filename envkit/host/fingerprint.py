"""Check whether this is still the same host: no process, no driver library, about a millisecond.

Imports little and parses nothing: the hashes are of the texts themselves.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping

from envkit.hashes import sha256
from envkit.host.cache import default_cache_dir, read_entry, write_entry
from envkit.host.nodes import is_gpu_node, list_capabilities, list_models, list_nodes
from envkit.host.tree import Tree, read_bounded

# They decide which devices a program sees, and which driver it loads.
_DRIVER_VARIABLES = (
    "CUDA_DEVICE_ORDER",
    "CUDA_MPS_PIPE_DIRECTORY",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "NVIDIA_VISIBLE_DEVICES",
)
# They replace parts of the driver's answer afterwards.
_LATER_VARIABLES = (
    "CONDA_OVERRIDE_ARCHSPEC",
    "CONDA_OVERRIDE_CUDA",
    "CONDA_OVERRIDE_CUDA_ARCH",
    "CONDA_OVERRIDE_GLIBC",
    "CONDA_OVERRIDE_OSX",
    "CUDA_VISIBLE_DEVICES",
)
_TEXTS = (
    "/proc/driver/nvidia/version",
    "/sys/module/nvidia/version",
    "/etc/nv_tegra_release",
    "/sys/devices/soc0/family",
    "/System/Library/CoreServices/SystemVersion.plist",
)
_PROCESSOR = ("model name", "flags", "CPU implementer", "CPU part", "Features")
_CPUINFO_BYTES = 4096
_KEPT_FACTS = ("subdir", "glibc", "driver_version", "driver_cuda", "gpus", "overridden")


class Quick:
    """A quick look at the files and variables that decide what runs.

    Attributes:
        nvidia_smi: The command ``nvidia-smi``, where there is one.
        token: Sixteen hex digits. Equal tokens mean that nothing that decides what runs has changed, across reboots.
            It covers the driver's version, models and nodes of the GPUs, MIG, processor, C library, and the variables
            that hide, redirect or override. Where the kernel does not name the GPUs (WSL, Jetson, sandboxes) it covers
            the boot id too, since two machines could look alike there.
        driver_key: Cache key of the driver's answer: the facts of the token without the variables that replace the
            answer, and with boot, libraries and interpreter.
        fingerprint_key: Cache key of the fingerprint.
    """

    __slots__ = ("driver_key", "fingerprint_key", "nvidia_smi", "token")

    def __init__(self, tree: Tree, env: Mapping[str, str]) -> None:
        facts = _facts(tree, env)
        later = {name: env[name] for name in _LATER_VARIABLES if name in env}
        boot_id = tree.text("/proc/sys/kernel/random/boot_id")
        nodes = list_nodes(tree)
        models = list_models(tree)
        gpus = sum(map(is_gpu_node, nodes))
        named = gpus == len(models) and "?" not in models
        ambiguous = bool(nodes or facts["texts"]) and not (named and gpus)
        facts.update(nodes=nodes, models=models)
        self.token = _digest(facts, later, boot_id if ambiguous else None)
        libraries = _stamp(tree.path("/etc/ld.so.cache"))
        self.nvidia_smi = _nvidia_smi(tree, env)
        once = (boot_id, libraries, self.nvidia_smi, tree.root, sys.prefix)
        self.driver_key = f"driver-{_digest(facts, once)}"
        self.fingerprint_key = f"now-{_digest(facts, later, once)}"


def fingerprint_now(
    root: str | os.PathLike[str] = "/",
    *,
    env: Mapping[str, str] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
) -> tuple[str, str | None]:
    """Return the token of `Quick`, and `Host.fingerprint`, or None if only the driver could tell it."""
    variables = os.environ if env is None else env
    quick = Quick(Tree(root), variables)
    folder = cache_dir or default_cache_dir(variables)
    entry = read_entry(folder, quick.fingerprint_key) if folder else None
    fingerprint = entry.get("fingerprint") if entry else None
    return quick.token, fingerprint if isinstance(fingerprint, str) else None


def remember_fingerprint(
    folder: str | os.PathLike[str], quick: Quick, host: Mapping[str, object], *, created: float
) -> None:
    """Cache the fingerprint of a host for `fingerprint_now`, for no longer than the driver's answer it came from.

    Args:
        folder: The cache.
        quick: The quick look at the same host.
        host: Its facts as JSON, ``fingerprint`` among them; `envkit.host.profile_facts` reads the others.
        created: When the driver answered.
    """
    entry = read_entry(folder, quick.fingerprint_key)
    kept = {"fingerprint": host["fingerprint"], "host": {name: host[name] for name in _KEPT_FACTS}}
    if entry is None or any(entry.get(name) != value for name, value in kept.items()):
        write_entry(folder, quick.fingerprint_key, kept, created=created)


def _facts(tree: Tree, env: Mapping[str, str]) -> dict[str, object]:
    osrelease = (tree.text("/proc/sys/kernel/osrelease") or "").lower()
    return {
        "texts": {name: text for name in _TEXTS if (text := tree.text(name)) is not None},
        "loaded": tree.exists("/sys/module/nvidia"),
        "wsl": ["microsoft" in osrelease, tree.exists("/usr/lib/wsl/lib/libcuda.so.1")],
        "capabilities": list_capabilities(tree),
        "platform": [sys.platform, os.uname().machine if hasattr(os, "uname") else "", sys.maxsize],
        "libc": _libc(),
        "processor": _processor(tree),
        "variables": {name: env[name] for name in _DRIVER_VARIABLES if name in env},
    }


def _nvidia_smi(tree: Tree, env: Mapping[str, str]) -> str | None:
    """Return the command on PATH (relative entries are ignored), else in its place under WSL."""
    name = "nvidia-smi.exe" if sys.platform == "win32" else "nvidia-smi"
    folders = [folder for folder in env.get("PATH", os.defpath).split(os.pathsep) if os.path.isabs(folder)]
    paths = [os.path.join(folder, name) for folder in (*folders, tree.path("/usr/lib/wsl/lib"))]
    return next((path for path in paths if os.access(path, os.X_OK)), None)


def _libc() -> str | None:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION")
    except (AttributeError, ValueError, OSError):
        return None


def _processor(tree: Tree) -> list[str]:
    # The first processor is enough; the whole file takes milliseconds on a large machine.
    text = (read_bounded(tree.path("/proc/cpuinfo"), limit_bytes=_CPUINFO_BYTES) or b"").decode("utf-8", "replace")
    return [line for line in text.split("\n\n", 1)[0].splitlines() if line.startswith(_PROCESSOR)]


def _stamp(path: str) -> list[int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns]


def _digest(*what: object) -> str:
    return sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]

"""Profiles: several generations under one name, and the rule by which a machine gets one of them.

The generation that the environment's link names holds the rule, ``.envkit-profiles.json``, written before its manifest
and never changed. So the link stays the only commit point: with it, all profiles change and go back together. A
generation without that file is alone, as most are::

    {
     "schema_version": 1,
     "profiles": [
      {
       "name": "cuda12.6",
       "generation": "train-3f9c2a1b",
       "subdir": "linux-64",
       "gpu": true,
       "glibc": "2.28",
       "driver": "525.60.13",
       "cuda": "12.6",
       "capabilities": ["7.0", "7.5", "8.0"],
       "machines": [{"names": ["node1", "node2"], "target": {"subdir": "linux-64", "...": "..."}}]
      }
     ]
    }

A machine that is like one of `machines` (the pool that the profiles were chosen for) gets that profile; any other the
first one whose conditions it meets: the platform; with `gpu` true a GPU, with false none, with null either; at least
that C library; a driver of at least that version, or one whose CUDA is at least `cuda`; and for each of its GPUs the
compute capability in the list. null is no condition.

Stands alone: it imports only the standard library and runs on Python 3.7 and newer, because a copy of it lies beside
Jupyter kernels, where envkit is not installed (see `envkit.activation`).
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Mapping
from typing import Any, NamedTuple

_FILE = ".envkit-profiles.json"  # as in envkit.paths

_LIMIT_BYTES = 4 << 20
_SUBDIRS = {
    ("Linux", "x86_64"): "linux-64",
    ("Linux", "aarch64"): "linux-aarch64",
    ("Linux", "ppc64le"): "linux-ppc64le",
    ("Darwin", "arm64"): "osx-arm64",
    ("Darwin", "x86_64"): "osx-64",
}
_GENERATION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}-[0-9a-f]{8}\Z")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")


class RuleError(ValueError):
    """A rule is there and cannot be obeyed."""


class Facts(NamedTuple):
    """The facts of a machine that rules look at.

    Attributes:
        subdir: conda's name of the platform.
        glibc: Its C library; None if unknown.
        driver: Version of its NVIDIA driver; None without one, or if unknown.
        driver_cuda: The newest CUDA that its driver supports; None if unknown.
        gpu: Whether it has a GPU that CUDA can use.
        capabilities: Compute capabilities of its GPUs, sorted, each once.
    """

    subdir: str
    glibc: str | None = None
    driver: str | None = None
    driver_cuda: str | None = None
    gpu: bool = False
    capabilities: tuple[str, ...] = ()


class Profile(NamedTuple):
    """One generation, and the machines that it is for; see the module."""

    name: str
    generation: str
    subdir: str
    gpu: bool | None = None
    glibc: str | None = None
    driver: str | None = None
    cuda: str | None = None
    capabilities: tuple[str, ...] | None = None
    machines: tuple[Mapping[str, Any], ...] = ()

    @property
    def kinds(self) -> list[Facts]:
        """The kinds of machines that it was chosen for."""
        return [facts_of(kind["target"]) for kind in self.machines]

    @property
    def names(self) -> list[str]:
        """The names of these machines."""
        return [name for kind in self.machines for name in kind["names"]]


def facts_of(host: Mapping[str, Any]) -> Facts:
    """Return what a rule looks at of a host or a target, as envkit writes them in JSON."""
    gpus = host.get("gpus") or ()
    stated = host.get("overridden") or host.get("described") or ()  # CONDA_OVERRIDE_CUDA, a flag
    ceiling = host.get("driver_cuda")
    gpu = bool(gpus) or (bool(ceiling) and ("driver_cuda" in stated or "driver_version" in stated))
    known = {str(one["compute_capability"]) for one in gpus if one.get("compute_capability")}
    return Facts(
        str(host.get("subdir")),
        host.get("glibc"),
        host.get("driver_version") if gpu else None,
        ceiling if gpu else None,
        gpu,
        tuple(sorted(known, key=_numbers)),
    )


def look_around(env: Mapping[str, str]) -> Facts:
    """Return the facts of this machine without envkit: by its driver libraries, which are loaded into this process.

    As CEP 30 and 46 say, ``CONDA_OVERRIDE_CUDA`` and ``CONDA_OVERRIDE_CUDA_ARCH`` replace what is found.
    """
    system = os.uname()
    subdir = _SUBDIRS.get((system.sysname, system.machine), f"{system.sysname.lower()}-{system.machine}")
    try:
        libc = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError, AttributeError):
        libc = ""
    glibc = libc.split()[-1] if libc.startswith("glibc") else None
    stated = env.get("CONDA_OVERRIDE_CUDA")
    if stated is not None and not stated.strip():
        return Facts(subdir, glibc)
    ceiling, found = (stated.strip(), ()) if stated is not None else _ask_cuda()
    if stated is not None:
        found = tuple(env.get("CONDA_OVERRIDE_CUDA_ARCH", "").split())
    driver = _driver_version() if stated is None else None
    if ceiling is None:
        return Facts(subdir, glibc)
    return Facts(subdir, glibc, driver, ceiling, gpu=True, capabilities=tuple(sorted(set(found), key=_numbers)))


def _ask_cuda() -> tuple[str | None, tuple[str, ...]]:
    """Return the newest CUDA of the driver and the compute capabilities of the GPUs; None without any GPU."""
    import ctypes

    try:
        cuda = ctypes.CDLL("libcuda.so.1")
        number, count = ctypes.c_int(), ctypes.c_int()
        if (
            cuda.cuInit(0)
            or cuda.cuDriverGetVersion(ctypes.byref(number))
            or cuda.cuDeviceGetCount(ctypes.byref(count))
        ):
            return None, ()
        found = []
        for index in range(count.value):
            parts = []
            for attribute in (75, 76):  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR
                value = ctypes.c_int()
                cuda.cuDeviceGetAttribute(ctypes.byref(value), attribute, index)
                parts.append(str(value.value))
            found.append(".".join(parts))
    except (OSError, AttributeError):
        return None, ()
    ceiling = f"{number.value // 1000}.{number.value % 1000 // 10}"
    return (ceiling, tuple(found)) if found else (None, ())


def _driver_version() -> str | None:
    """Return the version of the NVIDIA driver, by NVML."""
    import ctypes

    try:
        nvml = ctypes.CDLL("libnvidia-ml.so.1")
        text = ctypes.create_string_buffer(96)
        if nvml.nvmlInit_v2() or nvml.nvmlSystemGetDriverVersion(text, 96):
            return None
    except (OSError, AttributeError):
        return None
    return text.value.decode("ascii", "replace") or None


def choose_profile(profiles: tuple[Profile, ...], facts: Facts) -> Profile | None:
    """Return the profile for a machine; None if there is none."""
    for profile in profiles:
        if facts in profile.kinds:
            return profile
    return next((profile for profile in profiles if unmet(profile, facts) is None), None)


def unmet(profile: Profile, facts: Facts) -> str | None:
    """Return the first condition that a machine does not meet: the name of the member; None if it meets all."""
    if profile.subdir != facts.subdir:
        return "subdir"
    if profile.glibc and facts.glibc and _numbers(facts.glibc) < _numbers(profile.glibc):
        return "glibc"
    if profile.gpu is not None and profile.gpu != facts.gpu:
        return "gpu"
    if not profile.gpu:
        return None
    if not _takes(profile, facts):
        return "driver"
    if profile.capabilities is not None and not set(facts.capabilities) <= set(profile.capabilities):
        return "capabilities"
    return None


def _takes(profile: Profile, facts: Facts) -> bool:
    """Return whether the driver takes code of the profile's toolkit."""
    if profile.cuda and facts.driver_cuda and _numbers(facts.driver_cuda) >= _numbers(profile.cuda):
        return True
    if profile.driver and facts.driver:
        return _numbers(facts.driver) >= _numbers(profile.driver)
    if profile.cuda and facts.driver_cuda:  # its version is not known: minor-version compatibility
        return _numbers(facts.driver_cuda)[0] == _numbers(profile.cuda)[0]
    return not profile.driver


def read_rule(prefix: str) -> tuple[Profile, ...]:
    """Return the profiles of the generation that an environment's link names; empty if it is alone.

    Raises:
        RuleError: The rule is damaged, of a newer envkit, or was put there by somebody who did not make the generation.
    """
    path = os.path.join(prefix, _FILE)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise RuleError(f"{path} cannot be read: {error.strerror}") from error
    state = os.fstat(descriptor)
    # Who may write in a generation made it, or has its maker's trust (`envkit.layout.private`).
    trusted = {0, os.geteuid(), os.stat(prefix).st_uid}
    if not stat.S_ISREG(state.st_mode) or state.st_uid not in trusted:
        os.close(descriptor)
        raise RuleError(f"{path} is no file, or that of user {state.st_uid}, who did not make {prefix}")
    with open(descriptor, "rb") as file:
        data = file.read(_LIMIT_BYTES + 1)
    if len(data) > _LIMIT_BYTES:
        raise RuleError(f"{path} is larger than {_LIMIT_BYTES} bytes")
    return parse_rule(data, path)


def parse_rule(data: bytes | str, path: str) -> tuple[Profile, ...]:
    """Read the text of a rule; `path` names it in messages.

    Raises:
        RuleError: It is none.
    """
    try:
        document = json.loads(data)
        newer = document["schema_version"] != 1
        profiles = () if newer else tuple(_profile(entry) for entry in document["profiles"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RuleError(f"{path} cannot be read: {type(error).__name__}: {error}") from error
    if newer:
        raise RuleError(f"{path} was written by a newer envkit")
    if not profiles or len({profile.name for profile in profiles}) != len(profiles):
        raise RuleError(f"{path} names no profile, or one twice")
    return profiles


def rule_text(profiles: tuple[Profile, ...]) -> str:
    """Return the text that `parse_rule` reads."""
    return json.dumps({"schema_version": 1, "profiles": [p._asdict() for p in profiles]}, indent=1) + "\n"


def _profile(entry: Mapping[str, Any]) -> Profile:
    texts = [entry.get(name) for name in ("glibc", "driver", "cuda")]
    gpu, capabilities, machines = entry.get("gpu"), entry.get("capabilities"), entry.get("machines", [])
    if not _NAME.match(entry["name"]) or not _GENERATION.match(entry["generation"]):
        raise ValueError("not a name of a profile or a generation")
    if not isinstance(entry["subdir"], str) or gpu not in (True, False, None):
        raise TypeError("subdir or gpu")
    for text in texts:
        if text is not None:
            _numbers(text)
    for number in capabilities or ():
        _numbers(number)
    for kind in machines:
        if not isinstance(kind["target"], dict) or not all(isinstance(name, str) for name in kind["names"]):
            raise TypeError("machines")
        facts_of(kind["target"])
    return Profile(
        entry["name"],
        entry["generation"],
        entry["subdir"],
        gpu,
        texts[0],
        texts[1],
        texts[2],
        None if capabilities is None else tuple(capabilities),
        tuple(machines),
    )


def _numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a version, such as 535.161.08 or 2.28; a value of another form raises ValueError."""
    return tuple(int(part) for part in version.split(".")[:8] if part.isdigit() or _refuse(version))


def _refuse(version: str) -> bool:
    raise ValueError(f"not a version: {version!r}")

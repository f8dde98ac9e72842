"""Demands of a record besides CUDA: glibc, macOS, microarchitecture, Python."""

from __future__ import annotations

from functools import lru_cache

from envkit.builds.signals import Signal
from envkit.builds.version import version_key
from envkit.models.build import Claim, Needs, Record, disagree
from envkit.models.fact import Reason
from envkit.patterns import regex

_LOWER = regex(r"(?:>=|=|==)?\s*(\d+(?:\.\d+)*)")
_PLATFORMS = {"__osx": "osx", "__win": "win", "__linux": "linux"}


_ABOUT_CUDA = frozenset({"toolkit", "runtime", "variant", "driver"})
_needs = lru_cache(maxsize=4096)(Needs)  # thousands of records share a few dozen


def _lower(spec: str) -> str | None:
    for clause in spec.split(","):
        match = _LOWER.match(clause.strip())
        if match is not None:
            return match[1]
    return None


def _greatest(left: str | None, right: str | None) -> str | None:
    if left is None or right is None:
        return left or right
    return max(left, right, key=version_key)


def read_needs(dependencies: list[Signal], constraints: list[Signal]) -> Needs:
    """Gather the demands of all dependencies and constraints; the greatest of each counts."""
    glibc = osx = platform = arm = cuda_arch = None
    level: int | None = None
    python: list[str] = []
    for signal in (*dependencies, *constraints):
        if signal.kind in _ABOUT_CUDA:
            continue
        if signal.kind == "glibc":
            glibc = _greatest(glibc, _lower(signal.spec))
        elif signal.kind == "osx":
            osx = _greatest(osx, _lower(signal.spec))
        elif signal.kind == "microarch" and signal.level is not None:
            level = max(level or 0, signal.level)
        elif signal.kind == "python" and signal.name == "python" and signal.spec != "*":
            python.append(signal.spec)
        elif signal.kind == "arm":
            arm = signal.spec
        elif signal.kind == "arch" and signal.spec != "*":
            cuda_arch = signal.spec if cuda_arch is None else f"{cuda_arch},{signal.spec}"
        elif signal.kind == "platform":
            platform = _PLATFORMS.get(signal.name, platform)
    return _needs(glibc, osx, level, arm, platform, tuple(dict.fromkeys(python)), cuda_arch)


def read_python(dependencies: list[Signal], said: str | None, record: Record, conflicts: list[Reason]) -> str | None:
    """Return the one Python that a build is for, ``"3.11"``; None for builds of any Python.

    Conflicts between the dependency and the build string are appended to `conflicts`; the dependency wins.
    """
    for signal in dependencies:
        if signal.kind == "python" and signal.bounds.one_minor and signal.bounds.low is not None:
            found = str(signal.bounds.low)
            if said is not None and said != found:
                ours = Claim("", signal.text, f"Python {found}")
                conflicts.append(disagree(ours, Claim("build string", record.build, said)))
            return found
    return said if record.subdir != "noarch" else None

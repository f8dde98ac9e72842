"""Judge the demands of a build besides CUDA against the target and the request."""

from __future__ import annotations

from envkit.builds.version import version_key, version_matches
from envkit.models.build import Build
from envkit.models.codes.reasons import GLIBC_TOO_OLD, MACOS_TOO_OLD, MICROARCH_TOO_LOW, WRONG_PLATFORM, WRONG_PYTHON
from envkit.models.fact import Reason
from envkit.models.host import Target
from envkit.patterns import regex

_LEVEL = regex(r"x86_64_v([1-4])\Z")
_OS = {"linux": "linux", "osx": "osx", "win": "win"}


def _microarch_level(microarch: str) -> int | None:
    """Return the x86-64 level of an archspec name; None for names of single processors, which are not ranked here."""
    if microarch == "x86_64":
        return 1
    match = _LEVEL.match(microarch)
    return int(match[1]) if match else None


def judge_python(build: Build, python: str | None) -> Reason | None:
    """Return the reason when a build is for another Python than the one asked for."""
    if python is None:
        return None
    wanted = ".".join(python.split(".")[:2])
    if build.python is not None:
        if build.python == wanted:
            return None
        return Reason(WRONG_PYTHON, python=build.python, wanted=wanted)
    candidates = (f"{wanted}.0", f"{wanted}.9", f"{wanted}.99")
    for spec in build.needs.python:
        if not any(version_matches(spec, candidate) for candidate in candidates):
            return Reason(WRONG_PYTHON, spec=spec, wanted=wanted)
    return None


def judge_machine(build: Build, target: Target) -> Reason | None:
    """Return the first demand that the target does not meet; None when it meets all."""
    record, needs = build.record, build.needs
    if record.subdir not in {"", "noarch", target.subdir}:
        return Reason(WRONG_PLATFORM, build_subdir=record.subdir, subdir=target.subdir)
    if needs.platform is not None and not target.subdir.startswith(_OS[needs.platform]):
        return Reason(WRONG_PLATFORM, only=needs.platform, subdir=target.subdir)
    if needs.glibc and target.glibc and version_key(target.glibc) < version_key(needs.glibc):
        return Reason(GLIBC_TOO_OLD, needed=needs.glibc, has=target.glibc)
    if needs.osx and target.osx and version_key(target.osx) < version_key(needs.osx):
        return Reason(MACOS_TOO_OLD, needed=needs.osx, has=target.osx)
    if needs.microarch_level is not None and target.microarch is not None:
        level = _microarch_level(target.microarch)
        if level is not None and level < needs.microarch_level:
            return Reason(MICROARCH_TOO_LOW, needed=needs.microarch_level, has=target.microarch)
    if needs.arm_variant in {"sbsa", "tegra"} and target.gpus and target.tegra is (needs.arm_variant == "sbsa"):
        return Reason(WRONG_PLATFORM, arm=needs.arm_variant, subdir=target.subdir)
    return None

"""From a request, a target and a pick to what the solver is asked, so that no worse build can slip in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from envkit.builds.classify import classify
from envkit.builds.dependency import demands_on, record_matches
from envkit.builds.families import channel_name
from envkit.builds.version import version_key
from envkit.checks.driver import ceiling_of
from envkit.checks.solution import asks_cuda
from envkit.cuda.libraries import library_constraints
from envkit.frameworks.row import FrameworkRow
from envkit.frameworks.table import CUDA_FRAMEWORKS, EXTRA_CHANNELS, PTX_TO_DRIVER, ROWS, is_stub, row_of
from envkit.models.build import Build, Record, Verdict
from envkit.models.host import Target
from envkit.models.request import Request
from envkit.models.solve import Pin, SolveTask, VirtualPackage
from envkit.models.spec import MatchSpec
from envkit.patterns import regex

ASSUMED = {"glibc": "2.28", "osx": "13.0"}
"""Versions assumed of a described machine where nothing names them (pixi's default system requirements)."""

_PYTHON_IN_BUILD = regex(r"py\d\.?\d{1,2}(?=_|h[0-9a-f]|$)")
_HASH = regex(r"h[0-9a-f]{6,9}(?=_|$)")
_NUMBER = regex(r"_\d+$")
_BLAS = regex(r"(?<=_)(mkl|generic|openblas)(?=_)")
_ARCHSPEC_OF_SUBDIR = {"linux-64": "x86_64", "osx-64": "x86_64", "win-64": "x86_64", "linux-aarch64": "aarch64"}


def framework_of(specs: Sequence[MatchSpec]) -> str | None:
    """Return the name of the package that the choice of CUDA is about, among the requested specs.

    The first framework in the user's order; of its packages the one whose records hold the CUDA build: for ``jax``
    that is ``jaxlib``, for ``pytorch-gpu`` or ``torchvision`` alone ``pytorch``. None when no framework is named.
    """
    for name in (spec.name for spec in specs):
        row = row_of(name)
        if row is not None and not row.gpu_is_optional and not is_stub(name):
            return row.choice(name)
    return None


def virtual_packages(target: Target) -> tuple[VirtualPackage, ...]:
    """Return the target as a solver sees it (CEP 30: ``__cuda``, ``__glibc``, ...; CEP 46: ``__cuda_arch``).

    ``__cuda`` is the driver's ceiling; ``__cuda_arch`` the lowest compute capability of all GPUs, and absent where
    ``__cuda`` or the GPUs are.
    """
    system = target.subdir.partition("-")[0]
    packages: list[VirtualPackage] = []
    if system == "linux":
        packages += [VirtualPackage("__unix", "0"), VirtualPackage("__linux", target.linux or "0")]
        packages.append(VirtualPackage("__glibc", target.glibc or ASSUMED["glibc"]))
    elif system == "osx":
        packages.append(VirtualPackage("__unix", "0"))
        packages.append(VirtualPackage("__osx", target.osx or ASSUMED["osx"]))
    elif system == "win":
        packages.append(VirtualPackage("__win", target.win or "0"))
    microarch = target.microarch or _ARCHSPEC_OF_SUBDIR.get(target.subdir)
    if microarch:
        packages.append(VirtualPackage("__archspec", "1", microarch))
    ceiling = ceiling_of(target)
    if ceiling is not None:
        packages.append(VirtualPackage("__cuda", str(ceiling)))
        known = [gpu.compute_capability for gpu in target.gpus if gpu.compute_capability is not None]
        if known:
            packages.append(VirtualPackage("__cuda_arch", str(min(known))))
    return tuple(packages)


_Constraints = dict[str, str]  # constraints with the reason of each; the first reason of a constraint stays


def build_pattern(build_string: str) -> str:
    """Return a build string with Python and hash left open, so that the solver may choose the Python."""
    opened = _PYTHON_IN_BUILD.sub("py*", build_string)
    return re.sub(r"\*+", "*", _HASH.sub("*", opened))


def _pin(pick: Verdict, request: Request, records: Sequence[Record]) -> Pin:
    """Return the pick as a spec: exact, or with any Python where none was named and all such builds are alike."""
    build, record = pick.build, pick.build.record
    reason = f"the build chosen for this target: tier {pick.tier.value}"
    exact = Pin(f"{_of_version(record, request)} {record.build}", reason)
    if request.python is not None or build.python is None:
        return exact
    pattern = build_pattern(record.build)
    same = (record.build_number, record.channel, record.raw.get("flags"))
    alike = _alike(record, pattern, records)
    if any((other.build_number, other.channel, other.raw.get("flags")) != same for other in alike):
        return exact
    return Pin(f"{_of_version(record, request)} {pattern}", f"{reason}; any Python")


def _loose_pin(pick: Verdict, request: Request, records: Sequence[Record]) -> Pin:
    """Return the pick as a spec that leaves its build number and BLAS open, too, where all such builds are of its kind.

    Builds of a version differ by these in the versions of the packages around, and the newest need not exist for each
    Python.
    """
    build, record = pick.build, pick.build.record
    strict = _pin(pick, request, records)
    close = build_pattern(record.build)
    pattern = re.sub(r"\*+", "*", _BLAS.sub("*", _NUMBER.sub("_*", close)))
    alike = _alike(record, pattern, records)
    kinds = {(other.channel, *_kind(classify(other))) for other in alike}
    if len(alike) == len(_alike(record, close, records)) or kinds != {(record.channel, *_kind(build))}:
        return strict
    return Pin(f"{_of_version(record, request)} {pattern}", f"{strict.reason}, or another of its version and kind")


def _of_version(record: Record, request: Request) -> str:
    channel = next((spec.channel for spec in request.parsed if spec.name == record.name and spec.channel), None)
    return f"{f'{channel}::' if channel else ''}{record.name} =={record.version}"


def _alike(record: Record, pattern: str, records: Sequence[Record]) -> list[Record]:
    """Return the builds of a record's version that fit a pattern."""
    named = (record.name, record.version)
    return [other for other in records if (other.name, other.version) == named and fnmatchcase(other.build, pattern)]


def _kind(build: Build) -> tuple[object, ...]:
    return build.variant, build.build_cuda


def _companions(build: Build, constraints: _Constraints) -> None:
    """Keep what is around a build on its CUDA, and out what breaks it."""
    record, row = build.record, ROWS.get(build.framework or "")
    home, cuda = channel_name(record.channel), build.build_cuda
    for limit in row.limits if row is not None else ():
        if home == limit.channel and version_key(record.version) < version_key(limit.fixed_in):
            why = f"{limit.package} {limit.below} and newer: ImportError, undefined symbol {limit.symbol}"
            constraints.setdefault(f"{limit.package} <{limit.below}", why)
    if build.variant != "cuda" or cuda is None:
        return
    why = f"follows {record.name}'s CUDA {cuda}"
    for spec in row.companions.get(home, ()) if row is not None else ():
        words = {"version": record.version, "cuda": cuda, "major": cuda.major, "minor": cuda.minor}
        constraints.setdefault(spec.format(**words), why)
    if home == "conda-forge":
        # No upper bound inside the major: libraries newer than the driver run by minor-version compatibility, and an
        # index need not have the older ones.
        low = cuda.major if build.cuda_major_only else cuda
        constraints.setdefault(f"cuda-version >={low},<{cuda.major + 1}", why)
    elif home in EXTRA_CHANNELS:
        # pytorch-cuda leaves libcurand, libcufile and cuda-opencl open: a solver takes the newest major that it finds.
        why = "libraries of two CUDA majors do not mix"
        constraints.setdefault(f"cuda-version >={cuda.major},<{cuda.major + 1}", why)


def _libraries(build: Build, target: Target, constraints: _Constraints) -> None:
    """Keep CUDA's libraries at versions with code for the oldest and the newest GPU."""
    known = [gpu.compute_capability for gpu in target.gpus if gpu.compute_capability is not None]
    if build.build_cuda is not None and known:
        for spec, why in library_constraints(build.build_cuda.major, min(known), max(known)):
            constraints.setdefault(spec, why)


def _ptx_to_driver(specs: Iterable[MatchSpec], target: Target, constraints: _Constraints) -> None:
    ceiling = ceiling_of(target)
    for spec in specs:
        if spec.name in PTX_TO_DRIVER and ceiling is not None:
            why = f"{spec.name} hands PTX to the driver, which compiles up to CUDA {ceiling}"
            constraints.setdefault(f"cuda-version <={ceiling}", why)
            constraints.setdefault(f"cudatoolkit <={ceiling}.99", why)


def _exclude_cpu(rows: Iterable[FrameworkRow], pick: Verdict | None, constraints: _Constraints) -> None:
    why = "CUDA was asked for: no CPU build may take its place"
    # The variants are named as on conda-forge; on `defaults`, _tflow_select keeps the parts of a GPU build together.
    foreign = pick is not None and channel_name(pick.build.record.channel) == "pkgs/main"
    for row in rows:
        for spec in (*(f"{name} <0" for name in row.cpu_packages), *(() if foreign else row.cuda_variants)):
            if not (pick is not None and _excludes(spec, pick.build.record)):
                constraints.setdefault(spec, why)


def _excludes(text: str, record: Record) -> bool:
    """Return whether a spec excludes a record of its name: one for CUDA by its flags alone (CEP 45)."""
    return any(not record_matches(spec, record) for _, spec in demands_on((text,), record.name))


def _channels(request: Request, pick: Verdict | None) -> tuple[str, ...]:
    """Return the channels to solve over: the pick's own, and for one of frameworks alone what its parts come from."""
    if pick is None:
        return request.channels
    home = channel_name(pick.build.record.channel)
    by_name = {channel_name(name): name for name in reversed(request.channels)}
    own = by_name.get(home, pick.build.record.channel)
    row = ROWS.get(pick.build.framework or "")
    if row is None or home not in row.channels:
        return (own,)
    root = own.rstrip("/").rsplit("/", 1)[0] if "/" in own.rstrip("/") else ""
    others = [name for name in (*row.channels, "conda-forge") if name != home]
    return (own, *(by_name.get(name) or (f"{root}/{name}" if root else name) for name in others))


def plan_solve(
    request: Request,
    target: Target,
    pick: Verdict | None,
    records: Sequence[Record] = (),
    *,
    installed: Sequence[Record] = (),
    around: Sequence[str] = (),
    loose: bool = False,
) -> SolveTask:
    """Plan what to ask the solver.

    Virtual packages alone let every solver fall back to CPU in silence, so the chosen build is pinned and its
    companions are constrained to the same CUDA.

    Args:
        records: The candidates, to see whether the pin may leave the Python open.
        installed: Records that the solution keeps where it can.
        around: Constraints that keep out packages without code for the target's GPU (`envkit.plan.around`).
        loose: Whether any build of the pick's version and kind will do.
    """
    constraints: _Constraints = {}
    parsed = request.parsed
    rows = {row.key: row for spec in parsed if (row := row_of(spec.name)) is not None}
    specs = list(request.specs)
    pins: list[Pin] = []
    if pick is not None:
        pin = (_loose_pin if loose else _pin)(pick, request, records)
        pins.append(pin)
        specs.append(pin.spec)
        _companions(pick.build, constraints)
        _libraries(pick.build, target, constraints)
    if asks_cuda(request, target):
        # A library on top of a framework names none: whichever it pulls in has to be a CUDA build.
        asked = sorted(CUDA_FRAMEWORKS & rows.keys() or CUDA_FRAMEWORKS)
        _exclude_cpu([ROWS[key] for key in asked], pick, constraints)
    elif request.cuda.kind == "none":
        for name in (name for row in rows.values() for name in row.cuda_packages):
            constraints.setdefault(f"{name} <0", "--cuda none was asked for")
    _ptx_to_driver(parsed, target, constraints)
    constraints.update(dict.fromkeys(around, "others were measured and hold no code for the GPU"))
    if request.python is not None:  # beside a spec for python in the request: both hold
        specs.append(f"python {request.python}.*" if request.python.count(".") < 2 else f"python =={request.python}")
    return SolveTask(
        specs=tuple(dict.fromkeys(specs)),
        constraints=tuple(constraints),
        channels=_channels(request, pick),
        platforms=(target.subdir, "noarch"),
        virtual_packages=virtual_packages(target),
        channel_priority="strict",
        pins=tuple(pins),
        reasons=tuple(constraints.items()),
        installed=tuple(installed),
        exclude_newer=request.newest_ms,
    )

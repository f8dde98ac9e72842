"""The order of choice (total and deterministic), the pick, and what almost matched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import groupby

from envkit.builds.dependency import record_matches
from envkit.builds.families import channel_name
from envkit.builds.version import version_key
from envkit.checks.driver import ceiling_of, wants_cuda
from envkit.frameworks.table import PTX_TO_DRIVER
from envkit.models.build import Build, Tier, Verdict
from envkit.models.codes.reasons import NOT_NEWEST_GPUS, WRONG_PLATFORM, WRONG_PYTHON
from envkit.models.host import Target
from envkit.models.request import Request
from envkit.models.spec import MatchSpec
from envkit.models.version import CudaVersion

ELSEWHERE = frozenset({WRONG_PLATFORM, WRONG_PYTHON})
"""Reasons of builds that are for another platform or Python than the one asked for."""

_GROUP = {Tier.NATIVE: 0, Tier.MINOR: 0, Tier.JIT: 1, Tier.COMPAT: 1, Tier.UNKNOWN: 2, Tier.CPU: 3, Tier.NO: 4}
_Key = tuple[object, ...]


def _specs_for(request: Request) -> dict[str, list[MatchSpec]]:
    specs: dict[str, list[MatchSpec]] = {}
    for spec in request.parsed:
        specs.setdefault(spec.name, []).append(spec)
    return specs


def _matches_specs(build: Build, specs: dict[str, list[MatchSpec]]) -> bool:
    record = build.record
    for spec in specs.get(record.name, ()):
        if not record_matches(spec, record):
            return False
        if spec.channel is not None and channel_name(spec.channel) != channel_name(record.channel):
            return False
    return True


def _matches_cuda(build: Build, request: Request, target: Target) -> bool:
    choice = request.cuda
    if choice.kind == "none":
        return build.variant != "cuda"
    if build.variant == "cuda":
        return choice.matches(build.build_cuda, major_only=build.cuda_major_only)
    if build.variant == "generic":
        return True
    if choice.kind == "auto":
        return not wants_cuda(target)
    return False


def _matches(verdict: Verdict, request: Request, target: Target, specs: dict[str, list[MatchSpec]]) -> bool:
    """Tell whether a build is one of those asked for: name and version, CUDA, Python and platform.

    ``auto`` on a target with a usable GPU asks for CUDA, so CPU builds do not match it. Builds that do not run still
    match, with their reasons.
    """
    return (
        verdict.code not in ELSEWHERE
        and _matches_cuda(verdict.build, request, target)
        and _matches_specs(verdict.build, specs)
    )


def _version_order(verdicts: Iterable[Verdict]) -> dict[str, int]:
    """Return each version's place in conda's order; equal versions (1.0 and 1.0.0) share one."""
    texts = sorted({verdict.build.record.version for verdict in verdicts}, key=version_key)
    order: dict[str, int] = {}
    for place, (_, same) in enumerate(groupby(texts, key=version_key)):
        order.update(dict.fromkeys(same, place))
    return order


def _cuda_key(build_cuda: CudaVersion | None, ceiling: CudaVersion | None) -> tuple[int, int, int]:
    """Sort toolkits: the highest that the driver's ceiling covers first, then the highest of the others."""
    if build_cuda is None:
        return (2, 0, 0)
    covered = ceiling is None or build_cuda <= ceiling
    return (0 if covered else 1, -build_cuda.major, -build_cuda.minor)


@lru_cache(maxsize=1024)
def _python_key(python: str | None) -> tuple[int, int]:
    if python is None:
        return (0, 0)
    major, _, minor = python.partition(".")
    return (-int(major), -int(minor or 0)) if major.isdigit() and (minor or "0").isdigit() else (0, 0)


def _sort(verdicts: Sequence[Verdict], request: Request, target: Target) -> list[Verdict]:
    order = _version_order(verdicts)
    ceiling = ceiling_of(target)
    channels = {channel_name(name): index for index, name in reversed(list(enumerate(request.channels)))}
    last = len(channels)

    def key(verdict: Verdict) -> _Key:
        build, tier = verdict.build, verdict.tier
        record = build.record
        tier_first = request.prefer == "native" or record.name in PTX_TO_DRIVER
        return (
            _GROUP[tier],
            tier.rank if tier_first else 0,
            -order[record.version],
            any(reason.code == NOT_NEWEST_GPUS for reason in verdict.reasons),
            tier.rank,
            _cuda_key(build.build_cuda, ceiling),
            -record.build_number,
            channels.get(channel_name(record.channel), last),
            _python_key(build.python),
            -(record.timestamp or 0),
            record.version,
            record.build,
            record.fn,
            record.channel,
            record.subdir,
            record.url,
            record.sha256 or "",
            record.size or 0,
            record.depends,
            record.constrains,
        )

    return sorted(verdicts, key=key)


def rank(verdicts: Sequence[Verdict], request: Request, target: Target) -> list[Verdict]:
    """Rank the builds that match a request, best first.

    Builds that run as they are (``native``, ``minor``) come before those that run by JIT or compat, then those whose
    tier is unknown, then CPU, then what does not run. Within these: the newest version; where no GPU is named, builds
    for every GPU that the driver drives; ``native`` before ``minor``; CUDA nearest below the driver's ceiling, then
    the highest; build number; channel order; newest Python; newest time.
    ``--prefer native``, and packages that hand PTX to the driver, put the tier before the version.

    What does not match is left out (`nearest` has it). The order is total: it does not depend on that of `verdicts`.
    """
    specs = _specs_for(request)
    return _sort([v for v in verdicts if _matches(v, request, target, specs)], request, target)


def pick(ranked: Sequence[Verdict]) -> Verdict | None:
    """Pick the first that runs; None when none does. `rank` has left out CPU builds where CUDA is wanted."""
    return next((verdict for verdict in ranked if verdict.tier.runs), None)


def solve_candidates(ranked: Sequence[Verdict], limit: int = 8) -> list[Verdict]:
    """List the builds to pin, in turn, until a solve succeeds: one for each version, CUDA and channel.

    The best build's companions may not exist (a torchvision for the newest PyTorch, a package for the newest Python):
    a solver left alone would then take a CPU build, or another CUDA; this list is what it may take instead.
    """
    kinds: dict[tuple[object, ...], Verdict] = {}
    for verdict in ranked:
        if not verdict.tier.runs or len(kinds) >= limit:
            break
        build = verdict.build
        kinds.setdefault((build.record.name, build.record.version, build.build_cuda, build.record.channel), verdict)
    return list(kinds.values())


def conservative(ranked: Sequence[Verdict], chosen: Verdict | None) -> Verdict | None:
    """Return the best ``native`` build beside a pick that is not, for users who avoid minor compatibility."""
    if chosen is None or chosen.tier is Tier.NATIVE:
        return None
    return next((v for v in ranked if v.tier is Tier.NATIVE and v.build.record.name == chosen.build.record.name), None)


def _distance(verdict: Verdict, request: Request) -> tuple[int, ...]:
    """Return the distance from a request: the kind of mismatch, and how far its CUDA is from the one asked for."""
    build = verdict.build
    wanted = request.cuda.version
    cuda = (0, 0)
    if wanted is not None and build.build_cuda is not None:
        majors = build.build_cuda.major - wanted.major
        # Of an older major the newest toolkit is the nearest, of a newer one the oldest.
        minors = abs(build.build_cuda.minor - wanted.minor) if majors == 0 else build.build_cuda.minor
        cuda = (abs(majors), -minors if majors < 0 else minors)
    cpu = int(build.variant == "cpu" and request.cuda.kind != "none")
    return (int(verdict.code == WRONG_PLATFORM), cpu, int(verdict.code == WRONG_PYTHON), *cuda)


def nearest(verdicts: Sequence[Verdict], request: Request, target: Target) -> list[Verdict]:
    """List builds that almost match a request, nearest first: another toolkit, Python or platform, or a CPU build.

    With ``--cuda 12.1`` the builds of other toolkits; with ``auto`` on a GPU the CPU builds. Only builds of the
    platform asked for unless there are no others.
    """
    specs = _specs_for(request)
    rest = [v for v in verdicts if not _matches(v, request, target, specs)]
    ordered = _sort(rest, request, target)
    return sorted(ordered, key=lambda v: (not v.tier.runs, _distance(v, request)))

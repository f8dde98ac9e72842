"""Limits of a choice: what holds it back, what to take instead, what to change."""

from __future__ import annotations

from collections.abc import Sequence

from envkit.builds.version import version_key
from envkit.checks.driver import wants_cuda
from envkit.models.build import Tier, Verdict
from envkit.models.codes.advice import (
    BEST_REFUSED,
    COVERED_BUILD,
    CPU_RUNS,
    DESCRIBE_MACHINE,
    DROP_LIMIT,
    OTHER_PYTHONS,
)
from envkit.models.fact import Advice
from envkit.models.host import Target
from envkit.models.request import CudaChoice, Request
from envkit.plan.rank import conservative, pick, rank
from envkit.tuples import NamedTuple
from envkit.values import replace


class _Part(NamedTuple):
    """A part of a request that could be dropped: its CUDA, its versions, or both."""

    without: Request
    cuda: CudaChoice | None = None
    version: bool = False


def _newer(found: Verdict, chosen: Verdict | None) -> bool:
    return chosen is None or version_key(found.build.record.version) > version_key(chosen.build.record.version)


def _parts(request: Request) -> list[_Part]:
    auto, parts = CudaChoice(), []
    cuda = request.cuda if request.cuda.asks_cuda else None
    if cuda is not None:
        parts.append(_Part(replace(request, cuda=auto), cuda))
    bare = replace(request, specs=tuple(dict.fromkeys(spec.name for spec in request.parsed)))
    if bare.specs != request.specs:
        parts.append(_Part(bare, version=True))
        if cuda is not None:
            parts.append(_Part(replace(bare, cuda=auto), cuda, version=True))
    return parts


def _dropping(
    verdicts: Sequence[Verdict], request: Request, target: Target, chosen: Verdict | None
) -> tuple[_Part, Verdict] | None:
    """Return the smallest part to drop so that something newer runs, and what then runs."""
    for part in _parts(request):
        found = pick(rank(verdicts, part.without, target))
        if found is None or found.tier in {Tier.CPU, Tier.UNKNOWN} or not _newer(found, chosen):
            continue
        if chosen is None or part.cuda is not None:
            return part, found
    return None


def _no_choice(
    verdicts: Sequence[Verdict], request: Request, target: Target, ranked: Sequence[Verdict]
) -> list[Advice]:
    found: list[Advice] = []
    if ranked:
        best = ranked[0]
        found.append(Advice(BEST_REFUSED, build=best.build, reason=best.decisive))
    if request.python is not None and not ranked:
        pythons = {v.build.python for v in verdicts if v.build.python}
        if pythons and request.python not in pythons:
            found.append(Advice(OTHER_PYTHONS, python=request.python, known=sorted(pythons, key=version_key)))
    if not wants_cuda(target) and request.cuda.asks_cuda and target.nvidia_traces:
        found.append(Advice(DESCRIBE_MACHINE))
    return found


def _on_cpu(verdicts: Sequence[Verdict], request: Request, target: Target) -> list[Advice]:
    if request.cuda.kind == "none":
        return []
    on_cpu = pick(rank(verdicts, replace(request, cuda=CudaChoice("none")), target))
    return [Advice(CPU_RUNS, build=on_cpu.build)] if on_cpu is not None and on_cpu.tier is Tier.CPU else []


def limits(verdicts: Sequence[Verdict], request: Request, target: Target) -> list[Advice]:
    """List what limits the choice among all candidates, and what to change; empty when nothing does."""
    ranked = rank(verdicts, request, target)
    chosen = pick(ranked)
    found = _no_choice(verdicts, request, target, ranked) if chosen is None else []
    better = _dropping(verdicts, request, target, chosen)
    if better is not None:
        part, newer = better
        found.append(
            Advice(
                DROP_LIMIT,
                cuda=part.cuda,
                version=part.version,
                build=newer.build,
                tier=newer.tier.value,
                held=chosen.build.record.version if chosen is not None else None,
                driver=wants_cuda(target) and not target.gpus,
            )
        )
    if chosen is None:
        return found + _on_cpu(verdicts, request, target)
    safe = conservative(ranked, chosen)
    if safe is not None:
        found.append(Advice(COVERED_BUILD, build=chosen.build, tier=chosen.tier.value, covered=safe.build))
    return found

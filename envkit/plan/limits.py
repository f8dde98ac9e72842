"""Sentences about a choice: what holds it back, and what to change."""

from __future__ import annotations

from collections.abc import Sequence

from envkit.models.build import Build, Tier, Verdict
from envkit.models.host import Target
from envkit.models.request import CudaChoice, Request
from envkit.plan.rank import conservative, pick, rank

__all__ = ["limits"]


def _name(build: Build) -> str:
    cuda = f" for CUDA {build.build_cuda}" if build.build_cuda else ""
    return f"{build.record.name} {build.record.version}{cuda}"


def _relaxed(request: Request, **changes: object) -> Request:
    values = {name: getattr(request, name) for name in ("specs", "cuda", "python", "prefer", "channels")}
    values.update(changes)
    return Request(**values)


def _better(found: Verdict | None, chosen: Verdict | None, request: Request, target: Target) -> bool:
    if found is None or found is chosen or not found.tier.runs or found.tier in {Tier.CPU, Tier.UNKNOWN}:
        return False
    if chosen is None:
        return True
    first = rank([found, chosen], _relaxed(request, cuda=CudaChoice(), python=None), target)
    return bool(first) and first[0] is found and found.build.record.version != chosen.build.record.version


def limits(verdicts: Sequence[Verdict], request: Request, target: Target) -> list[str]:
    """What limits the choice, in sentences that say what to change; empty when nothing does.

    Args:
        verdicts: Every candidate's verdict, those that do not match the request among them.
        request: What the user asked.
        target: The machine.
    """
    ranked = rank(verdicts, request, target)
    chosen = pick(ranked)
    texts: list[str] = []
    if request.cuda.asks_cuda:
        free = pick(rank(verdicts, _relaxed(request, cuda=CudaChoice()), target))
        if _better(free, chosen, request, target) and free is not None:
            held = f"limits you to {chosen.build.record.version}" if chosen else "leaves nothing that runs"
            texts.append(f"--cuda {request.cuda} {held}; this driver runs {_name(free.build)}: drop --cuda")
    if request.python is not None:
        open_request = _relaxed(request, python=None)
        others = [v for v in verdicts if not (v.reasons and v.reasons[0].code == "wrong-python")]
        if chosen is None and others != list(verdicts):
            pythons = sorted({v.build.python for v in verdicts if v.build.python}, key=lambda p: int(p.split(".")[1]))
            if pythons and rank(verdicts, open_request, target) == []:
                texts.append(f"--python {request.python}: builds are for Python {', '.join(pythons)}")
    if chosen is not None and chosen.tier in {Tier.MINOR, Tier.JIT, Tier.COMPAT, Tier.UNKNOWN}:
        safe = conservative(ranked, chosen)
        if safe is not None:
            texts.append(
                f"{_name(chosen.build)} runs as {chosen.tier.value}; the newest that this driver covers wholly is "
                f"{_name(safe.build)} (--prefer native)"
            )
    if chosen is None and ranked:
        reason = ranked[0].reasons[0].text if ranked[0].reasons else "it does not run here"
        texts.append(f"{_name(ranked[0].build)}: {reason}")
    return texts

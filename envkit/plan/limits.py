"""Sentences about a choice: what holds it back, what to take instead, what to change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from envkit.builds.dependency import parse_match_spec
from envkit.builds.families import channel_name
from envkit.builds.version import version_key
from envkit.checks.driver import wants_cuda
from envkit.models.build import Build, Tier, Verdict
from envkit.models.host import Target
from envkit.models.request import CudaChoice, Request
from envkit.plan.rank import conservative, pick, rank

__all__ = ["limits"]


def _name(build: Build) -> str:
    cuda = f" for CUDA {build.build_cuda}" if build.build_cuda else ""
    channel = channel_name(build.record.channel)
    return f"{build.record.name} {build.record.version}{cuda}" + (f" of {channel}" if channel else "")


def _runs_on_gpu(verdict: Verdict | None) -> bool:
    return verdict is not None and verdict.tier.runs and verdict.tier not in {Tier.CPU, Tier.UNKNOWN}


def _newer(found: Verdict, chosen: Verdict | None) -> bool:
    return chosen is None or version_key(found.build.record.version) > version_key(chosen.build.record.version)


def _names_only(request: Request) -> Request:
    """The request without versions and builds: the same packages, whichever of them runs."""
    return replace(request, specs=tuple(dict.fromkeys(parse_match_spec(text).name for text in request.specs)))


def _dropping(
    verdicts: Sequence[Verdict], request: Request, target: Target, chosen: Verdict | None
) -> tuple[str, Verdict] | None:
    """The smallest thing to drop from the request that lets something newer run: the flag, and what then runs."""
    auto = CudaChoice()
    tries: list[tuple[str, Request]] = []
    if request.cuda.asks_cuda:
        tries.append((f"--cuda {request.cuda}", replace(request, cuda=auto)))
    bare = _names_only(request)
    if bare.specs != request.specs:
        tries.append(("the version", bare))
        if request.cuda.asks_cuda:
            tries.append((f"--cuda {request.cuda} and the version", replace(bare, cuda=auto)))
    for what, relaxed in tries:
        found = pick(rank(verdicts, relaxed, target))
        if found is None or not _runs_on_gpu(found) or not _newer(found, chosen):
            continue
        if chosen is None or what.startswith("--cuda"):
            return what, found
    return None


def _no_choice(verdicts: Sequence[Verdict], request: Request, target: Target, ranked: list[Verdict]) -> list[str]:
    texts: list[str] = []
    if ranked:
        reason = ranked[0].reasons[0].text if ranked[0].reasons else "it does not run here"
        texts.append(f"{_name(ranked[0].build)}: {reason}")
    if request.python is not None and not ranked:
        pythons = {v.build.python for v in verdicts if v.build.python}
        if pythons and request.python not in pythons:
            listed = ", ".join(sorted(pythons, key=version_key))
            texts.append(f"--python {request.python}: the builds are for Python {listed}")
    if not wants_cuda(target) and request.cuda.asks_cuda and target.nvidia_traces:
        texts.append("signs of NVIDIA without a usable GPU: describe the machine with --driver and --gpu")
    return texts


def _on_cpu(verdicts: Sequence[Verdict], request: Request, target: Target) -> list[str]:
    if request.cuda.kind == "none":
        return []
    on_cpu = pick(rank(verdicts, replace(request, cuda=CudaChoice("none")), target))
    if on_cpu is None or on_cpu.tier is not Tier.CPU:
        return []
    return [f"{_name(on_cpu.build)} runs on the CPU: --cuda none"]


def limits(verdicts: Sequence[Verdict], request: Request, target: Target) -> list[str]:
    """What limits the choice, in sentences that say what to change; empty when nothing does.

    Args:
        verdicts: Every candidate's verdict, those that do not match the request among them.
        request: What the user asked.
        target: The machine.
    """
    ranked = rank(verdicts, request, target)
    chosen = pick(ranked)
    texts = _no_choice(verdicts, request, target, ranked) if chosen is None else []
    better = _dropping(verdicts, request, target, chosen)
    if better is not None:
        what, found = better
        held = f"limits you to {chosen.build.record.version}" if chosen is not None else "leaves nothing that runs"
        who = "this driver" if wants_cuda(target) and not target.gpus else "this target"
        texts.append(f"{what} {held}; {who} runs {_name(found.build)}, {found.tier.value}: drop {what}")
    if chosen is None:
        texts += _on_cpu(verdicts, request, target)
    else:
        safe = conservative(ranked, chosen)
        if safe is not None:
            texts.append(
                f"{_name(chosen.build)} runs as {chosen.tier.value}; the newest that this driver covers wholly is "
                f"{_name(safe.build)} (--prefer native)"
            )
    return texts

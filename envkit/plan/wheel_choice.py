"""The wheels of PyTorch that fit a request and run, best first: driver and GPU decide, not the driver alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from envkit.builds.knowledge import Knowledge
from envkit.builds.wheel import torch_wheels
from envkit.checks.hosts import judge_builds
from envkit.models.build import Build, Verdict
from envkit.models.host import Target
from envkit.models.request import Request
from envkit.plan.rank import nearest, rank
from envkit.values import replace


def judge_torch(
    request: Request, target: Target, hosts: Mapping[str, Target], knowledge: Knowledge | None = None
) -> tuple[list[Verdict], list[Verdict]]:
    """Judge the published wheels of PyTorch.

    Returns:
        What matches the request's CUDA, best first; and the others, nearest first.
    """
    asked = replace(request, specs=("torch",))
    return judge_wheels_of(torch_wheels(target.subdir, knowledge), asked, target, hosts)


def judge_wheels_of(
    builds: Sequence[Build], request: Request, target: Target, hosts: Mapping[str, Target]
) -> tuple[list[Verdict], list[Verdict]]:
    """Judge wheels; see `judge_torch`. Their Python is not looked at: each version has wheels for several."""
    asked = replace(request, channels=(), python=None)
    verdicts = judge_builds(builds, target, hosts, request=None)
    return rank(verdicts, asked, target), nearest(verdicts, asked, target)


def tags_to_try(ranked: Sequence[Verdict], admits: Mapping[str, bool] | None = None) -> list[str]:
    """Return the folders of PyTorch's index to look into, best first.

    Args:
        admits: By version, whether the requirements admit it; what is not in it, they do not.
    """
    fitting = (v for v in ranked if v.tier.runs and (admits is None or admits.get(v.build.record.version)))
    return list(dict.fromkeys(verdict.build.record.build for verdict in fitting))

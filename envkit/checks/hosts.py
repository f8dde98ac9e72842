"""One choice for several machines: it has to run on all of them."""

from __future__ import annotations

from collections.abc import Mapping

from envkit.checks.verdict import judge
from envkit.models.build import Build, Reason, Verdict
from envkit.models.host import Target
from envkit.models.request import Request

__all__ = ["judge_for_all"]


def judge_for_all(build: Build, targets: Mapping[str, Target], *, request: Request | None = None) -> Verdict:
    """The worst verdict of a build over several machines, saying which machine makes it so.

    Args:
        build: The build.
        targets: Machines by name, at least one.
        request: What the user asked.

    Raises:
        ValueError: There is no machine.
    """
    if not targets:
        raise ValueError("no machine to judge for")
    verdicts = [(name, judge(build, target, request=request)) for name, target in targets.items()]
    name, worst = max(verdicts, key=lambda item: item[1].tier.rank)
    if len(targets) == 1:
        return worst
    reasons = tuple(Reason(reason.code, f"{name}: {reason.text}") for reason in worst.reasons)
    return Verdict(build, worst.tier, reasons)

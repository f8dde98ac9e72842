"""One choice for several machines: it has to run on all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from envkit.builds.version import version_key
from envkit.checks.driver import ceiling_of
from envkit.checks.verdict import judge, judge_all
from envkit.errors import UsageError
from envkit.models.build import Build, Reason, Verdict
from envkit.models.host import Gpu, Target
from envkit.models.request import Request

__all__ = ["common_target", "judge_builds", "ruling_out"]


def _groups(targets: Mapping[str, Target]) -> dict[str, Target]:
    """Machines that are alike as one, by the first name and how many there are: a cluster has few kinds."""
    names: dict[Target, list[str]] = {}
    for name, target in targets.items():
        names.setdefault(target, []).append(name)
    return {
        first if not rest else f"{first} and {len(rest)} like it": target for target, (first, *rest) in names.items()
    }


def _worst(build: Build, targets: Mapping[str, Target], request: Request | None) -> Verdict:
    """Return the worst verdict of a build over several machines, with the machine's name in its reasons."""
    verdicts = [(name, judge(build, target, request=request)) for name, target in targets.items()]
    name, worst = max(verdicts, key=lambda item: item[1].tier.rank)
    if len(targets) == 1:
        return worst
    reasons = tuple(Reason(reason.code, f"{name}: {reason.text}") for reason in worst.reasons)
    return Verdict(build, worst.tier, reasons)


def judge_builds(
    builds: Sequence[Build], target: Target, hosts: Mapping[str, Target], *, request: Request | None = None
) -> list[Verdict]:
    """Judge many builds for the machines of `hosts`, or for `target` where there are none."""
    if not hosts:
        return judge_all(builds, target, request=request)
    kinds = _groups(hosts)
    return [_worst(build, kinds, request) for build in builds]


def ruling_out(builds: Sequence[Build], hosts: Mapping[str, Target], *, request: Request | None = None) -> list[str]:
    """The machines without any one of which some build would run on all of the others; empty when there is none."""
    kinds = _groups(hosts)
    if len(kinds) < 2:
        return []
    found: list[str] = []
    for name in kinds:
        others = {other: target for other, target in kinds.items() if other != name}
        if any(_worst(build, others, request).tier.runs for build in builds):
            found.append(name)
    return found


def common_target(targets: Mapping[str, Target]) -> Target:
    """What several machines have in common, for ranking and for the solver: the least of each fact, and every GPU.

    Args:
        targets: Machines by name, at least one.

    Raises:
        UsageError: They are of different platforms, which no one environment serves.
    """
    platforms: dict[str, str] = {}
    for name, target in targets.items():
        platforms.setdefault(target.subdir, name)
    if len(platforms) != 1:
        listed = " and ".join(f"{name} is {subdir}" for subdir, name in platforms.items())
        raise UsageError(
            f"no one environment runs on all of these machines: {listed}" if platforms else "--hosts names no machine",
            hint="Choose for one platform at a time.",
        )
    every = list(targets.values())
    if len(set(every)) == 1:
        return every[0]
    gpu_hosts = [target for target in every if target.gpus or ceiling_of(target) is not None]
    least = min(gpu_hosts, key=lambda target: ceiling_of(target) or (0, 0), default=every[0])
    gpus = dict.fromkeys(
        Gpu(gpu.name, gpu.compute_capability, mig=gpu.mig, tegra=gpu.tegra) for t in every for gpu in t.gpus
    )
    glibcs = [target.glibc for target in every if target.glibc]
    osxs = [target.osx for target in every if target.osx]
    microarchs = [target.microarch for target in every if target.microarch]
    return Target(
        subdir=every[0].subdir,
        glibc=min(glibcs, key=version_key, default=None),
        microarch=min(microarchs, key=lambda name: (len(name), name), default=None),
        osx=min(osxs, key=version_key, default=None),
        driver_version=least.driver_version,
        driver_cuda=ceiling_of(least),
        gpus=tuple(gpus),
        compat=any(target.compat for target in every),
        mps=all(target.mps for target in every),
        described=frozenset({"hosts"}).union(*(target.described for target in every)),
        nvidia_traces=tuple(dict.fromkeys(trace for target in every for trace in target.nvidia_traces)),
    )

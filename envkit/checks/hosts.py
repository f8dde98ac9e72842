"""One choice for several machines: it has to run on all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from envkit.builds.version import version_key
from envkit.checks.driver import ceiling_of
from envkit.checks.verdict import judge, judge_all
from envkit.errors import UsageError
from envkit.models.build import Build, Verdict
from envkit.models.fact import Reason
from envkit.models.host import Gpu, MachineKind, Target
from envkit.models.request import Inquiry, Request


def group_kinds(targets: Mapping[str, Target]) -> tuple[MachineKind, ...]:
    """Group machines that are alike, in their order: a cluster has many machines of few kinds."""
    names: dict[Target, list[str]] = {}
    for name, target in targets.items():
        names.setdefault(target, []).append(name)
    return tuple(MachineKind(tuple(alike), target) for target, alike in names.items())


def gpu_kinds(inquiry: Inquiry) -> tuple[MachineKind, ...]:
    """Return the machines of a request whose GPUs packages have to hold code for; none where the CPU is asked for."""
    if inquiry.request.cuda.kind == "none":
        return ()
    kinds = group_kinds(inquiry.hosts) or (MachineKind((), inquiry.target),)
    return tuple(kind for kind in kinds if kind.target.gpus)


def judge_worst(build: Build, kinds: Sequence[MachineKind], request: Request | None) -> Verdict:
    """Return the worst verdict over kinds of machines; its reasons name the kind where there are several."""
    verdicts = [(kind, judge(build, kind.target, request=request)) for kind in kinds]
    kind, worst = max(verdicts, key=lambda item: item[1].tier.rank)
    if len(kinds) == 1:
        return worst
    reasons = tuple(Reason(reason.code, **{**reason.params, "on": kind}) for reason in worst.reasons)
    return Verdict(build, worst.tier, reasons)


def judge_builds(
    builds: Sequence[Build], target: Target, hosts: Mapping[str, Target], *, request: Request | None = None
) -> list[Verdict]:
    """Judge many builds for the machines of `hosts`, or for `target` where there are none."""
    if not hosts:
        return judge_all(builds, target, request=request)
    kinds = group_kinds(hosts)
    return [judge_worst(build, kinds, request) for build in builds]


def ruling_out(
    builds: Sequence[Build], hosts: Mapping[str, Target], *, request: Request | None = None
) -> list[MachineKind]:
    """List the machines that rule everything out on their own: without one, some build runs on all the rest."""
    kinds = group_kinds(hosts)
    if len(kinds) < 2:
        return []
    return [
        kind
        for kind in kinds
        if any(judge_worst(build, [other for other in kinds if other != kind], request).tier.runs for build in builds)
    ]


def common_target(targets: Mapping[str, Target]) -> Target:
    """Return what several machines have in common: the least of each fact, and every GPU.

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
    kernels = [target.linux for target in every if target.linux]
    microarchs = [target.microarch for target in every if target.microarch]
    return Target(
        subdir=every[0].subdir,
        glibc=min(glibcs, key=version_key, default=None),
        microarch=min(microarchs, key=lambda name: (len(name), name), default=None),
        osx=min(osxs, key=version_key, default=None),
        linux=min(kernels, key=version_key, default=None),
        driver_version=least.driver_version,
        driver_cuda=ceiling_of(least),
        gpus=tuple(gpus),
        compat=any(target.compat for target in every),
        mps=all(target.mps for target in every),
        described=frozenset({"hosts"}).union(*(target.described for target in every)),
        nvidia_traces=tuple(dict.fromkeys(trace for target in every for trace in target.nvidia_traces)),
    )

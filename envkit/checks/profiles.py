"""The rule of profiles: by which facts a machine gets which generation, worked out from the packages of each."""

from __future__ import annotations

from collections.abc import Sequence

from envkit.builds.classify import classify_all
from envkit.builds.knowledge import Knowledge
from envkit.builds.version import version_key
from envkit.checks.driver import needed_driver, wants_cuda
from envkit.checks.verdict import judge
from envkit.cuda.architectures import is_tegra, known_capabilities
from envkit.cuda.drivers import min_driver, os_of
from envkit.frameworks.table import CUDA_FRAMEWORKS, is_stub
from envkit.models.build import Build, Record, Tier
from envkit.models.host import Gpu, MachineKind, Target
from envkit.models.version import ComputeCapability, CudaVersion
from envkit.profiles import Profile
from envkit.values import replace

_SURE = frozenset({Tier.NATIVE, Tier.MINOR})  # with machine code


def framework_builds(records: Sequence[Record], knowledge: Knowledge) -> list[Build]:
    """Return the builds of frameworks among packages; those for CUDA, if there are any."""
    found = [
        build
        for build in classify_all(records, knowledge)
        if build.framework in CUDA_FRAMEWORKS and build.variant != "generic" and not is_stub(build.record.name)
    ]
    return [build for build in found if build.variant == "cuda"] or found


def profile_row(
    profile: Profile,
    records: Sequence[Record],
    kinds: Sequence[MachineKind],
    *,
    knowledge: Knowledge,
    any_gpu: bool = False,
    wheels: bool = False,
) -> Profile:
    """Return a profile with the conditions that its packages put on a machine.

    Args:
        profile: Its name, generation, platform and machines.
        records: Its packages.
        kinds: The machines that it was chosen for.
        knowledge: What is known of the GPU code of builds.
        any_gpu: Whether builds for the CPU were asked for, which then are for machines with GPUs, too.
        wheels: Whether Python distributions come besides, of which less is known.
    """
    builds = framework_builds(records, knowledge)
    needs = [build.needs.glibc for build in classify_all(records, knowledge) if build.needs.glibc is not None]
    profile = profile._replace(glibc=max(needs, key=version_key, default=None))
    toolkits = [build.build_cuda for build in builds if build.variant == "cuda" and build.build_cuda is not None]
    if any(build.variant == "cuda" for build in builds):
        return _for_cuda(profile, builds, toolkits, kinds)
    with_gpu = [wants_cuda(kind.target) for kind in kinds]
    if any_gpu or (not builds and not wheels):
        return profile
    if wheels and all(with_gpu):  # a driver and GPUs like those of the pool
        drivers = [kind.target.driver_version for kind in kinds if kind.target.driver_version is not None]
        driver = str(min(drivers)) if len(drivers) == len(kinds) else None
        return profile._replace(gpu=True, driver=driver, capabilities=_texts(_capabilities(kinds)))
    return profile._replace(gpu=None if any(with_gpu) else False)


def _for_cuda(
    profile: Profile, builds: Sequence[Build], toolkits: Sequence[CudaVersion], kinds: Sequence[MachineKind]
) -> Profile:
    own = _capabilities(kinds)
    tegra = any(kind.target.tegra for kind in kinds)
    runs = {one for one in known_capabilities() if is_tegra(one) == tegra and _has_code(builds, one, profile.subdir)}
    if tegra or not toolkits:  # Jetson's drivers have numbers of their own
        return profile._replace(gpu=True, capabilities=_texts(own if tegra else own | runs))
    exact = not any(build.cuda_major_only for build in builds)
    newest = max(toolkits)
    driver = max(needed_driver(toolkit, profile.subdir) for toolkit in toolkits)
    return profile._replace(
        gpu=True, driver=str(driver), cuda=str(newest) if exact else None, capabilities=_texts(own | runs)
    )


def _has_code(builds: Sequence[Build], capability: ComputeCapability, subdir: str) -> bool:
    """Return whether builds hold machine code for a GPU, with a driver that covers their toolkits."""
    gpu = Gpu(None, capability, tegra=is_tegra(capability))
    for build in builds:
        if build.build_cuda is None:
            return False
        driver = min_driver(build.build_cuda, os_of(subdir))
        target = Target(subdir, driver_version=driver, driver_cuda=build.build_cuda, gpus=(gpu,))
        if judge(build, replace(target, described=frozenset({"driver_version", "gpus"}))).tier not in _SURE:
            return False
    return True


def _capabilities(kinds: Sequence[MachineKind]) -> set[ComputeCapability]:
    return {gpu.compute_capability for kind in kinds for gpu in kind.target.gpus if gpu.compute_capability is not None}


def _texts(capabilities: set[ComputeCapability]) -> tuple[str, ...] | None:
    return tuple(map(str, sorted(capabilities))) or None

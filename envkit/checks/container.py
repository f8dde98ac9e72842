"""Judge a container by what its engine gave it: GPUs, ports, the volume, shared memory, clock, certificates, space."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from envkit.models.codes.container import (
    CERTIFICATES_EXPIRED,
    CERTIFICATES_MISSING,
    CERTIFICATES_TRUSTED,
    CHANNEL_ANSWERS,
    CHANNEL_CERTIFICATE_EARLY,
    CHANNEL_CERTIFICATE_EXPIRED,
    CHANNEL_CERTIFICATE_UNTRUSTED,
    CHANNEL_UNREACHED,
    CLOCK_BEHIND,
    CLOCK_PLAUSIBLE,
    CLOCK_WRONG,
    FILES_OF_ROOT,
    GPU_CLOSED,
    GPU_COMPAT,
    GPU_FABRIC,
    GPU_GIVEN,
    GPU_HIDDEN,
    GPU_MISMATCH,
    GPU_NOT_GIVEN,
    GPU_NOT_WANTED,
    GPU_WITHOUT_LIBRARY,
    OWNED,
    PORT_LOOPBACK,
    PORT_SERVED,
    PORT_SILENT,
    PORT_TAKEN,
    SHARED_MEMORY_ENOUGH,
    SHARED_MEMORY_SMALL,
    SPACE_ENOUGH,
    SPACE_SHORT,
    VOLUME_IN_LAYER,
    VOLUME_MOUNTED,
)
from envkit.models.codes.driver import COMPAT_NOT_SUPPORTED, DRIVER_MISMATCH, FABRIC_MANAGER
from envkit.models.container import ChannelAnswer, ContainerFacts, GpuAccess, PortUse
from envkit.models.fact import Fact
from envkit.models.report import Finding

_ENGINE_SHM_BYTES = 64 << 20  # what docker and podman give where nothing is said
_ENOUGH_SHM_BYTES = 1 << 30
_FEW_BYTES, _LITTLE_BYTES = 256 << 20, 8 << 30  # an environment with CUDA takes about 8 GB
_FEW_INODES = 10_000
_CLOCK_S = 300.0  # file servers have clocks of their own
_PROGRAMS = {"jupyter": "jupyter", "ssh": "sshd", "tensorboard": "tensorboard"}
"""A word in the command line of each service."""


def container_findings(facts: ContainerFacts, probed: Sequence[Finding]) -> list[Finding]:
    """Judge a container, or the machine that is to run one.

    Args:
        facts: What was seen.
        probed: The findings of the driver level, where it was run.
    """
    return [
        *_gpus(facts.gpus, probed),
        *map(_port, facts.ports),
        _mount(facts),
        _owner(facts),
        *_shared_memory(facts),
        _clock(facts),
        *_certificates(facts),
        *(_channel(answer, clock_is_wrong=_ahead_s(facts) is not None) for answer in facts.answers),
        _space(facts),
    ]


def _gpus(gpus: GpuAccess, probed: Sequence[Finding]) -> Iterator[Finding]:
    hidden = gpus.visible in {"none", "void"}
    if gpus.nodes and gpus.closed == gpus.nodes:
        yield Finding("gpu", "fail", Fact(GPU_CLOSED, nodes=list(gpus.closed)))
    elif gpus.nodes and not gpus.libcuda:
        yield Finding("gpu", "fail", Fact(GPU_WITHOUT_LIBRARY, nodes=list(gpus.nodes), given=gpus.capabilities))
    elif hidden and (gpus.module or gpus.nodes):
        yield Finding("gpu", "fail", Fact(GPU_HIDDEN, value=gpus.visible))
    elif not gpus.nodes and not gpus.libcuda:
        if gpus.module:  # seen from inside any container of that host
            yield Finding("gpu", "fail", Fact(GPU_NOT_GIVEN, driver=gpus.module))
        elif gpus.visible and not hidden:
            yield Finding("gpu", "warn", Fact(GPU_NOT_GIVEN, driver=None))
        else:
            yield Finding("gpu", "skip", Fact(GPU_NOT_WANTED))
    else:
        yield from _driven(gpus, probed)


def _driven(gpus: GpuAccess, probed: Sequence[Finding]) -> Iterator[Finding]:
    """Judge what the driver level said; an error that has its own cause in containers is told by that."""
    failed = [finding for finding in probed if finding.status == "fail"]
    for finding in failed:
        if finding.code == FABRIC_MANAGER:
            yield Finding("gpu", "fail", Fact(GPU_FABRIC))
        elif finding.code == DRIVER_MISMATCH:
            yield Finding("gpu", "fail", Fact(GPU_MISMATCH, driver=gpus.module))
        elif finding.code == COMPAT_NOT_SUPPORTED:
            yield Finding("gpu", "fail", Fact(GPU_COMPAT, driver=gpus.module))
        else:
            yield finding
    if not failed:
        yield Finding("gpu", "pass", Fact(GPU_GIVEN, nodes=list(gpus.nodes)))


def _port(use: PortUse) -> Finding:
    check = f"port.{use.service}"
    about = {"service": use.service, "port": use.port}
    word = _PROGRAMS.get(use.service)
    if use.reach == "none":
        return Finding(check, "warn", Fact(PORT_SILENT, **about))
    if use.program is not None and word is not None and word not in use.program:
        return Finding(check, "fail", Fact(PORT_TAKEN, **about, program=use.program))
    if use.reach == "loopback":
        return Finding(check, "fail", Fact(PORT_LOOPBACK, **about))
    return Finding(check, "pass", Fact(PORT_SERVED, **about))


def _mount(facts: ContainerFacts) -> Finding:
    if facts.in_layer:
        fact = Fact(VOLUME_IN_LAYER, volume=facts.volume, fs_type=facts.mount_type)
        return Finding("mount", "fail", fact)
    point, fs_type = facts.mount_point, facts.mount_type
    return Finding("mount", "pass", Fact(VOLUME_MOUNTED, volume=facts.volume, point=point, fs_type=fs_type))


def _owner(facts: ContainerFacts) -> Finding:
    if not facts.foreign_count:
        return Finding("owner", "pass", Fact(OWNED, volume=facts.volume, owner=facts.owner))
    fact = Fact(
        FILES_OF_ROOT,
        paths=list(facts.foreign),
        count=facts.foreign_count,
        owner=facts.owner,
        volume=facts.volume,
    )
    return Finding("owner", "fail", fact)


def _shared_memory(facts: ContainerFacts) -> Iterator[Finding]:
    if facts.shm_bytes is None:
        return
    if facts.shm_bytes >= _ENOUGH_SHM_BYTES:
        yield Finding("shm", "pass", Fact(SHARED_MEMORY_ENOUGH, size=facts.shm_bytes))
        return
    yield Finding(
        "shm",
        "fail" if facts.shm_bytes <= _ENGINE_SHM_BYTES else "warn",
        Fact(SHARED_MEMORY_SMALL, size=facts.shm_bytes),
    )


def _ahead_s(facts: ContainerFacts) -> float | None:
    """Return by how much servers say that this clock is behind theirs; None if it agrees with one of them."""
    ahead_s = min((a.ahead_s for a in facts.answers if a.ahead_s is not None), key=abs, default=0.0)
    return ahead_s if abs(ahead_s) > _CLOCK_S else None


def _clock(facts: ContainerFacts) -> Finding:
    ahead_s = _ahead_s(facts)
    if ahead_s is not None:
        host = next(answer.host for answer in facts.answers if answer.ahead_s == ahead_s)
        return Finding("clock", "fail", Fact(CLOCK_WRONG, host=host, ahead_s=int(ahead_s)))
    behind_s = facts.newest - facts.now
    if behind_s > _CLOCK_S:
        return Finding("clock", "fail", Fact(CLOCK_BEHIND, seconds=int(behind_s)))
    return Finding("clock", "pass", Fact(CLOCK_PLAUSIBLE))


def _channel(answer: ChannelAnswer, *, clock_is_wrong: bool) -> Finding:
    check = f"channel.{answer.host}"
    about = {"host": answer.host, "clock_is_wrong": clock_is_wrong}
    if answer.problem == "early":
        return Finding(check, "fail", Fact(CHANNEL_CERTIFICATE_EARLY, **about))
    if answer.problem == "late":
        return Finding(check, "fail", Fact(CHANNEL_CERTIFICATE_EXPIRED, **about))
    if answer.problem == "untrusted":
        return Finding(check, "fail", Fact(CHANNEL_CERTIFICATE_UNTRUSTED, host=answer.host, error=answer.error))
    if answer.problem == "unreached":
        return Finding(check, "skip", Fact(CHANNEL_UNREACHED, host=answer.host, error=answer.error))
    return Finding(check, "pass", Fact(CHANNEL_ANSWERS, host=answer.host))


def _certificates(facts: ContainerFacts) -> Iterator[Finding]:
    found = facts.certificates
    if found is None:
        return
    about = {"path": found.path, "variable": found.variable}
    if found.problem is not None or not found.count:
        problem = found.problem or "it holds none"
        yield Finding("certificates", "fail", Fact(CERTIFICATES_MISSING, **about, problem=problem))
    elif found.expired * 2 > found.count:
        fact = Fact(CERTIFICATES_EXPIRED, path=found.path, expired=found.expired, count=found.count)
        yield Finding("certificates", "fail", fact)
    else:
        yield Finding("certificates", "pass", Fact(CERTIFICATES_TRUSTED, path=found.path, count=found.count))


def _space(facts: ContainerFacts) -> Finding:
    few = facts.free_inodes is not None and facts.free_inodes < _FEW_INODES
    about = {"volume": facts.volume, "free": facts.free_bytes, "inodes": facts.free_inodes}
    if few or facts.free_bytes < _FEW_BYTES:
        return Finding("space", "fail", Fact(SPACE_SHORT, **about))
    if facts.free_bytes < _LITTLE_BYTES:
        return Finding("space", "warn", Fact(SPACE_SHORT, **about))
    return Finding("space", "pass", Fact(SPACE_ENOUGH, **about))

"""A matrix of builds on every kind of machine that the tables know: the builds are judged once for each."""

from __future__ import annotations

from collections.abc import Iterator

from envkit.checks.verdict import judge_all
from envkit.cuda.drivers import driver_ceiling, known_branches
from envkit.cuda.gpus import capabilities, gpus_of
from envkit.cuda.target import describe_target
from envkit.models.build import Build, Verdict
from envkit.models.host import Target
from envkit.models.request import Request
from envkit.models.results import Matrix
from envkit.models.version import ComputeCapability, CudaVersion, DriverVersion
from envkit.values import dataclass

# The newest CUDA of the oldest driver, and the oldest architecture, that are offered: builds of today begin above.
_OLDEST, _FIRST = CudaVersion(10, 0), ComputeCapability(5, 0)


@dataclass(frozen=True, slots=True)
class MachineVerdicts:
    """The best verdict of each cell of a matrix on one machine; the cells in the order of rows, then columns.

    Attributes:
        capability: That of its GPU; None without a GPU.
        driver: The branch of its driver; None without one.
    """

    capability: ComputeCapability | None
    driver: int | None
    cells: tuple[Verdict, ...]


def offered_branches() -> tuple[int, ...]:
    """Return the driver branches that a machine is offered with, the newest first."""
    branches = [b for b in known_branches() if driver_ceiling(DriverVersion.parse(str(b))) >= _OLDEST]
    return tuple(reversed(branches))


def offered_gpus() -> tuple[tuple[ComputeCapability, tuple[str, ...]], ...]:
    """Return the architectures of GPUs in cards, the newest first, with names of such GPUs."""
    found = [capability for capability in capabilities() if capability >= _FIRST]
    return tuple((capability, gpus_of(capability)) for capability in sorted(found, reverse=True))


def judge_everywhere(matrix: Matrix, target: Target, request: Request) -> Iterator[MachineVerdicts]:
    """Judge the builds of a matrix on each GPU with each driver, then without a GPU.

    Everything else of the machine is the target's.
    """
    cells = [cells[column].builds for _, cells in matrix.rows for column in matrix.columns if column in cells]
    for capability, names in offered_gpus():
        for branch in offered_branches():
            machine = describe_target(target, driver=str(branch), gpus=names[:1])
            yield MachineVerdicts(capability, branch, _best(cells, machine, request))
    yield MachineVerdicts(None, None, _best(cells, describe_target(target, no_gpu=True), request))


def _best(cells: list[tuple[Build, ...]], machine: Target, request: Request) -> tuple[Verdict, ...]:
    verdicts = iter(judge_all([build for builds in cells for build in builds], machine, request=request))
    return tuple(min((next(verdicts) for _ in builds), key=lambda v: v.tier.rank) for builds in cells)

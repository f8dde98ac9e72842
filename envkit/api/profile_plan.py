"""The profiles of an environment as they are planned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envkit.checks.hosts import group_kinds
from envkit.models.build import digest
from envkit.models.host import MachineKind
from envkit.models.pool import PoolMatrix
from envkit.models.request import Inquiry
from envkit.values import dataclass

if TYPE_CHECKING:
    from envkit.api.gate import Solve
    from envkit.api.solve import Plan
    from envkit.models.manifest import RecordedRequest


@dataclass(frozen=True, slots=True)
class ProfilePlan:
    """One profile to be made."""

    name: str
    plan: Plan
    inquiry: Inquiry  # its machines, and what they have in common
    solve: Solve  # plans it again, without packages that lack GPU code
    recorded: RecordedRequest  # the request as its manifest keeps it

    @property
    def kinds(self) -> tuple[MachineKind, ...]:
        """The machines that it is for."""
        return group_kinds(self.inquiry.hosts)

    @property
    def machines(self) -> int:
        """How many machines it is for."""
        return len(self.inquiry.hosts)

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for plans of the very same packages."""
        wheels = self.plan.pip.packages if self.plan.pip else ()
        return self.inquiry.target.subdir, digest(self.plan.records), wheels


@dataclass(frozen=True, slots=True)
class ProfilePlans:
    """The profiles of one environment, the newest builds first; a machine takes the first that serves it."""

    parts: tuple[ProfilePlan, ...]
    matrix: PoolMatrix | None = None

    @property
    def main(self) -> ProfilePlan:
        """The one that most machines share: the environment's link names it."""
        return max(self.parts, key=lambda part: part.machines)

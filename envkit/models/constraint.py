"""What a scheduler is told of the machines that can run an environment."""

from __future__ import annotations

from typing import Any, Literal

from envkit.values import dataclass, field

Scheduler = Literal["slurm", "kubernetes", "htcondor"]
SCHEDULERS: tuple[Scheduler, ...] = ("slurm", "kubernetes", "htcondor")

Unsaid = Literal["subdir", "glibc", "driver", "capabilities"]
"""A condition of `envkit.profiles.Profile`, by the name of its member."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """The words of one scheduler.

    Attributes:
        scheduler: Whose words they are.
        lines: What is put on its command line, or into its file.
        document: The same where it is a document, as for Kubernetes.
        unsaid: Conditions that its words cannot express.
        unknown: Nodes of the cluster that nothing is known of.
    """

    scheduler: Scheduler
    lines: tuple[str, ...]
    document: dict[str, Any] = field(default_factory=dict)
    unsaid: tuple[Unsaid, ...] = ()
    unknown: tuple[str, ...] = ()

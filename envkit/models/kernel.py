"""What a kernel is called after: the environment, and how its framework runs on this machine."""

from __future__ import annotations

from envkit.models.build import Tier
from envkit.values import dataclass


@dataclass(frozen=True, slots=True)
class KernelFacts:
    """The environment of a kernel on one machine.

    Attributes:
        environment: Its name.
        python: Its Python, such as ``3.11``.
        framework: Title of its framework; None without one.
        version: Version of that.
        cuda: The CUDA that the framework was built for; None for the CPU.
        tier: How it runs on this machine; None if that is not known.
        gpus: Names of the machine's GPUs that CUDA can use.
    """

    environment: str
    python: str
    framework: str | None = None
    version: str = ""
    cuda: str | None = None
    tier: Tier | None = None
    gpus: tuple[str, ...] = ()

"""The `envkit:` block of an environment.yml, and how a recipe did on a machine."""

from __future__ import annotations

from typing import Literal

from envkit.models.probe import Level
from envkit.values import dataclass

Expected = Literal["runs", "refused"]
RecipeState = Literal["runs", "refused", "lacking", "unanswered"]
"""``lacking``: solved, without a framework that the recipe names. ``unanswered``: a channel was silent."""


@dataclass(frozen=True, slots=True)
class RecipeMachine:
    """A machine that a recipe names, and why it is refused there, if it is."""

    text: str  # as ``lock --for`` reads it: ``a100/550``
    refusal: str | None = None  # one sentence for people; None where the recipe has to run


@dataclass(frozen=True, slots=True)
class RecipeBlock:
    """For whom a recipe is, and what comes with its environment."""

    audience: str = ""  # one line: for whom it is
    note: str = ""  # one line to tell whoever makes it
    frameworks: tuple[str, ...] = ()  # keys of `envkit.frameworks` that validation has to find
    cuda: str | None = None  # as ``--cuda``
    level: Level | None = None  # how thoroughly to validate
    kernel: bool = False  # whether a Jupyter kernel is registered
    ports: tuple[tuple[str, int], ...] = ()  # services and where they listen
    machines: tuple[RecipeMachine, ...] = ()  # machines of ``runs-on`` and ``refused-on``


@dataclass(frozen=True, slots=True)
class RecipeOutcome:
    """The outcome of solving a recipe for one machine."""

    recipe: str  # its name
    machine: str  # the machine's name
    state: RecipeState
    expected: Expected | None  # what the recipe says; None where it says nothing of this machine
    code: str = ""  # of the error, or the tier of the build
    text: str = ""  # the build that was chosen, or why there is none
    documented: str = ""  # why the recipe says that it is refused
    packages: int = 0  # in the solution

    @property
    def ok(self) -> bool:
        """True unless the recipe says otherwise."""
        return self.state != "unanswered" and self.expected in {None, self.state}

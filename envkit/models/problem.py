"""Why a request has no solution, as a tree of values: what was asked, what that needs, and where it ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from envkit.errors import EnvkitError, UnsatisfiableError
from envkit.values import dataclass

LINES = 40
"""So many lines of a tree are shown; the whole of it is in the value."""

_SHOWN = 5

MEMBER = "problem"
"""The name of the tree among an error's members."""

ProblemKind = Literal["request", "package", "missing", "constraint", "conflict", "unclear"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One node of the tree, and what is below it.

    Attributes:
        kind: ``request`` (the root), ``package`` (candidates that could be taken, with what they need below),
            ``missing`` (nothing of that name or version is there), ``constraint`` (a limit that a record or the request
            sets), ``conflict`` (candidates that cannot be beside what stands elsewhere in the tree) or ``unclear``
            (what a solver says in words that have no other kind).
        text: The node as a sentence for people.
        name: Package name; empty where the node is about none, or about several.
        spec: The MatchSpec that led here, where the solver tells it.
        versions: Versions of the candidates, where the solver tells them; candidates that fare alike are one node.
        builds: Their build strings.
        children: What follows from it.
    """

    kind: ProblemKind
    text: str
    name: str = ""
    spec: str = ""
    versions: tuple[str, ...] = ()
    builds: tuple[str, ...] = ()
    children: tuple[Problem, ...] = ()


def problem_lines(problem: Problem, before: str = "") -> Iterator[tuple[str, Problem]]:
    """Return each node below the root, in order, with the lines that are drawn before it."""
    for position, child in enumerate(problem.children):
        last = position == len(problem.children) - 1
        yield before + ("└─ " if last else "├─ "), child
        yield from problem_lines(child, before + ("   " if last else "│  "))


def unsatisfiable(problem: Problem) -> UnsatisfiableError:
    """Return the error of a request without a solution, with the tree in its message and among its members."""
    drawn = [problem.text, *(f"{before}{node.text}" for before, node in problem_lines(problem))]
    if len(drawn) > LINES + 1:
        drawn[LINES + 1 :] = [f"and {len(drawn) - LINES - 1} more lines"]
    error = UnsatisfiableError(
        "\n".join(["no set of packages satisfies the request:", *drawn]),
        hint="Loosen a version, name another channel with -c, or see what there is with envkit find NAME.",
    )
    error.members[MEMBER] = problem
    return error


def problem_of(error: EnvkitError) -> Problem | None:
    """Return the tree of an error that has one."""
    problem = error.members.get(MEMBER)
    return problem if isinstance(problem, Problem) else None


def cause_of(problem: Problem) -> str:
    """Return where the tree ends: what is missing or excluded, in one sentence."""
    return [problem, *(node for _, node in problem_lines(problem))][-1].text


def shortened(words: Sequence[str]) -> str:
    """Return versions or builds of candidates: ``1.0|1.1|2.0``, of many the first ones and the last."""
    if len(words) <= _SHOWN:
        return "|".join(words)
    return "|".join([*words[: _SHOWN - 1], f"...{len(words) - _SHOWN} more...", words[-1]])

"""Why a request has no solution, as people see it: the tree, with what ends a branch in colour."""

from __future__ import annotations

from itertools import islice

from rich.console import Console
from rich.text import Text

from envkit.cli.output import literal
from envkit.models.problem import LINES, Problem, ProblemKind, problem_lines

__all__ = ["render_problem"]

_STYLE: dict[ProblemKind, str] = {"missing": "red", "conflict": "red", "constraint": "yellow"}


def render_problem(console: Console, problem: Problem) -> None:
    """Print a tree; of one that is too long to read, the beginning."""
    console.print(literal(problem.text))
    lines = list(problem_lines(problem))
    for before, node in islice(lines, LINES):
        console.print(Text.assemble((before, "dim"), literal(node.text, _STYLE.get(node.kind, ""))))
    if len(lines) > LINES:
        console.print(literal(f"and {len(lines) - LINES} more lines: --json has the whole tree", "dim"))
